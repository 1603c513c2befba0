// @ts-check
/** Overview tab of a run: why it ended, its attempts, settings, results, data, checkpoints and environment. */
import { useState } from "preact/hooks";
import { bytes, integer } from "../../format.js";
import { useKeys } from "../../keys.js";
import { Button } from "../../parts/button.js";
import { Copy } from "../../parts/copy.js";
import { html } from "../../parts/html.js";
import { readOnly } from "../../store.js";
import { href } from "../../url.js";
import { Facts, Lesson, Section } from "./blocks.js";
import { EditField, change } from "./edit_field.js";
import { Checkpoints, Metrics, Results, Settings } from "./figures.js";
import { errorLink } from "./head.js";
import { Markdown } from "./markdown.js";
import { Timeline } from "./timeline.js";

/** @param {{run: any}} properties */
export function Tab({ run }) {
  const problems = [...run.problems, ...run.writers.vanished];
  const processes = run.writers.sentence ? [["processes", run.writers.sentence]] : [];
  return html`<div class="overview">
    ${problems.length > 0 && html`<ul class="problems wide" aria-label="Problems">${problems.map((text) => html`<li>${text}</li>`)}</ul>`}
    <${End} run=${run} />
    <${Timeline} run=${run} />
    <div><${Settings} run=${run} /><${Metrics} run=${run} /><${Results} run=${run} /></div>
    <div>
      <${Commands} run=${run} />
      <${Notes} run=${run} key=${run.key} />
      <${Checkpoints} run=${run} />
      <${Data} run=${run} />
      <${Section} title="Environment"><${Facts} rows=${[...run.environment, ...processes, ["folder", run.folder]]} /></${Section}>
    </div>
  </div>`;
}

/** Traceback of a run that did not finish, or else the last lines of its console. @param {{run: any}} properties */
function End({ run }) {
  const text = run.traceback ?? run.last_lines.join("\n");
  if (!text || ["finished", "running"].includes(run.state)) return null;
  const title = run.traceback ? "Traceback" : "Last lines of the console";
  return html`<${Section} class="wide" title=${title} beside=${[run.error && html`<a href=${href({ tab: "code", item: run.error.path })}>Show in the code</a>`, html`<a href=${errorLink()}>Show in the console</a>`]}>
    <pre class="traceback" tabindex="0" aria-label=${title}>${text.trimEnd()}</pre>
  </${Section}>`;
}

/** @param {{run: any}} properties */
function Commands({ run }) {
  if (!run.commands.length) return null;
  return html`<${Section} title="Commands">${run.commands.map((/** @type {any} */ { name, does, line }) => html`<p class="small soft">${does}</p><${Copy} text=${line} label=${`${name} command`} key=${name} />`)}</${Section}>`;
}

/** @param {{run: any}} properties */
function Data({ run }) {
  return html`<${Section} title="Data">
    ${run.data.length ? html`<${Facts} rows=${run.data.map((/** @type {any} */ data) => [data.name, html`<${DataFacts} data=${data} run=${run} />`])} />` : html`<${Lesson} text="Log the data to see whether runs were measured on the same items:" line=${'run.log_data("train", dataset)'} />`}
  </${Section}>`;
}

/** @param {{data: any, run: any}} properties */
function DataFacts({ data, run }) {
  const missing = data.trouble ?? (run.state === "running" ? "not computed yet" : "the run ended before it was computed");
  const earlier = data.earlier.map((/** @type {any} */ version) => version.fingerprint?.slice(0, 8)).filter(Boolean);
  return html`${data.items !== null && html`<div>${integer(data.items)} items${data.bytes !== null && ` (${bytes(data.bytes)})`}</div>`}
    <div class="soft">${data.fingerprint ? html`<span class="mono" title=${data.fingerprint}>${data.fingerprint.slice(0, 8)}</span>` : `no fingerprint: ${missing}`}</div>
    <div class="soft">${data.source}</div>
    ${earlier.length > 0 && html`<div class="warn">changed in attempt ${data.attempt}, previously ${earlier.join(", ")}</div>`}`;
}

/** Notes of the run, written in Markdown. @param {{run: any}} properties */
function Notes({ run }) {
  const [isEdited, setEdited] = useState(false);
  const begin = () => setEdited(!readOnly.value);
  useKeys("Run", { n: { does: "Edit the notes", run: begin } });
  if (readOnly.value && !run.notes) return null;
  if (isEdited) {
    const save = (/** @type {string} */ notes) => change(run, { notes }, "Changed the notes");
    return html`<${Section} title="Notes"><${EditField} lines label="Notes in Markdown" value=${run.notes} save=${save} leave=${() => setEdited(false)} /></${Section}>`;
  }
  const button = !readOnly.value && html`<${Button} quiet onClick=${begin} aria-keyshortcuts="n">${run.notes ? "Edit" : "Write a note"}</${Button}>`;
  return html`<${Section} title="Notes" beside=${button}>${run.notes ? html`<${Markdown} tree=${run.notes_tree} />` : html`<p class="soft">Describe what you tried and what you found. You can use Markdown.</p>`}</${Section}>`;
}
