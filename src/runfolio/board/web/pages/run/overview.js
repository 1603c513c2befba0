// @ts-check
/** Overview of a run: why it stopped, attempts, results, settings, data, checkpoints and environment. */
import { bytes, integer } from "../../format.js";
import { Copy } from "../../parts/copy.js";
import { html } from "../../parts/html.js";
import { href } from "../../url.js";
import { Checkpoints, Metrics, Results } from "./figures.js";
import { Notes } from "./notes.js";
import { Settings } from "./settings.js";
import { Timeline } from "./timeline.js";

/** @param {{run: import("@preact/signals").Signal<any>}} properties */
export function Tab({ run: { value: run } }) {
  if (!run) return null;
  return html`<div class="overview">
    <${Problems} run=${run} />
    <${End} run=${run} />
    <${Timeline} run=${run} />
    <div class="overview-main">
      <${Settings} run=${run} />
      <${Metrics} run=${run} />
      <${Results} run=${run} />
    </div>
    <div class="overview-side">
      <${Commands} run=${run} />
      <${Notes} run=${run} key=${run.key} />
      <${Checkpoints} run=${run} />
      <${Data} run=${run} />
      <${Environment} run=${run} />
    </div>
  </div>`;
}

/** @param {{run: any}} properties */
function Problems({ run }) {
  const texts = [...run.problems, ...run.writers.vanished];
  if (!texts.length) return null;
  return html`<ul class="problems wide" aria-label="Problems">${texts.map((text) => html`<li>${text}</li>`)}</ul>`;
}

/** Traceback, or the last lines of the console, of a run that did not finish. @param {{run: any}} properties */
function End({ run }) {
  const text = run.traceback ?? run.last_lines.join("\n");
  if (!text || run.state === "running" || run.state === "finished") return null;
  return html`<section class="wide" aria-labelledby="end-title">
    <div class="section-head">
      <h2 id="end-title">${run.traceback ? "Traceback" : "Last lines of the console"}</h2>
      ${run.has_console && html`<a href=${href({ tab: "console", item: "error", find: "", line: null })}>Show in the console</a>`}
    </div>
    <pre class="traceback" tabindex="0" aria-label=${run.traceback ? "Traceback" : "Last lines"}>${text.trimEnd()}</pre>
  </section>`;
}

/** @param {{run: any}} properties */
function Commands({ run }) {
  if (!run.commands.length) return null;
  return html`<section aria-labelledby="commands-title">
    <h2 id="commands-title">Commands</h2>
    ${run.commands.map((/** @type {any} */ command) => html`<div class="command" key=${command.name}><p class="small soft">${command.does}</p><${Copy} text=${command.line} label=${`${command.name} command`} /></div>`)}
  </section>`;
}

/** @param {{run: any}} properties */
function Data({ run }) {
  if (!run.data.length) return html`<${NoData} run=${run} />`;
  return html`<section aria-labelledby="data-title">
    <h2 id="data-title">Data</h2>
    <table class="facts"><tbody>${run.data.map((/** @type {any} */ data) => html`<tr><th scope="row">${data.name}</th><td><${DataFacts} data=${data} run=${run} /></td></tr>`)}</tbody></table>
  </section>`;
}

/** @param {{data: any, run: any}} properties */
function DataFacts({ data, run }) {
  const size = data.items === null ? null : `${integer(data.items)} items${data.bytes === null ? "" : ` (${bytes(data.bytes)})`}`;
  const missing = data.trouble ?? (run.state === "running" ? "not computed yet" : "the run ended before it was computed");
  const earlier = data.earlier.filter((/** @type {any} */ version) => version.fingerprint);
  return html`${size && html`<div>${size}</div>`}
    <div class="soft">${data.fingerprint ? html`<span class="mono" title=${data.fingerprint}>${data.fingerprint.slice(0, 8)}</span>` : `no fingerprint: ${missing}`}</div>
    ${data.source && html`<div class="soft wrap">${data.source}</div>`}
    ${earlier.length > 0 && html`<div class="warn">changed at attempt ${data.attempt}; before that ${earlier.map((/** @type {any} */ version) => version.fingerprint.slice(0, 8)).join(", ")}</div>`}`;
}

/** @param {{run: any}} properties */
function NoData({ run }) {
  if (run.state !== "running" && run.state !== "finished") return null;
  return html`<section aria-labelledby="data-title">
    <h2 id="data-title">Data</h2>
    <p class="soft">Log the data once, and runs say whether they were measured on the same items:</p>
    <${Copy} text=${'run.log_data("train", dataset)'} label="line of Python" />
  </section>`;
}

/** @param {{run: any}} properties */
function Environment({ run }) {
  const facts = [...run.environment, ...(run.writers.sentence ? [["processes", run.writers.sentence]] : []), ["folder", run.folder]];
  return html`<section aria-labelledby="environment-title">
    <h2 id="environment-title">Environment</h2>
    <table class="facts"><tbody>${facts.map(([name, text]) => html`<tr><th scope="row">${name}</th><td class="wrap">${text}</td></tr>`)}</tbody></table>
  </section>`;
}
