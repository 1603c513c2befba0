// @ts-check
/** The rail, a sidebar at the left: experiments, running runs, and runs that ended since the last visit. */
import { Button } from "../parts/button.js";
import { html } from "../parts/html.js";
import { Middle } from "../parts/middle.js";
import { State } from "../parts/state.js";
import { ago, duration, integer, moment, percent, plural } from "../format.js";
import { dismiss, endedSinceVisit, store } from "../store.js";
import { href, view } from "../url.js";

const SHOWN = 8;

/**
 * Content of the rail. On narrow pages it also has the buttons of the header.
 * @param {{changeTheme?: () => void, showHelp?: () => void}} properties
 */
export function Rail({ changeTheme, showHelp }) {
  const data = store.data.value;
  if (!data) return null;
  const total = data.experiments.reduce((/** @type {number} */ sum, /** @type {any} */ { runs }) => sum + runs, 0);
  return html`
    <section>
      <h3>Experiments</h3>
      <ul>
        ${data.experiments.length > 1 && html`<${Entry} name="All runs" experiment=${null} runs=${total} />`}
        ${data.experiments.map((/** @type {any} */ experiment) => html`<${Entry} key=${experiment.name} experiment=${experiment.name} ...${experiment} />`)}
      </ul>
    </section>
    ${data.running.length > 0 && html`<${Now} runs=${data.running} />`}
    ${endedSinceVisit.value.length > 0 && html`<${Ended} runs=${endedSinceVisit.value} />`}
    <section class="rail-foot">
      <ul>
        <li><a class="rail-link" href=${href({ page: "trash", experiment: null, run: null })} aria-current=${view.page.value === "trash" ? "page" : undefined}>Trash</a></li>
      </ul>
      ${data.problems.length > 0 && html`<${Problems} texts=${data.problems} />`}
      ${changeTheme && html`<div class="rail-buttons"><${Button} onClick=${changeTheme}>Change theme</${Button}><${Button} onClick=${showHelp}>Keys</${Button}></div>`}
    </section>
  `;
}

/** @param {{name: string, experiment: string | null, runs: number, running?: number, failed?: number}} properties */
function Entry({ name, experiment, runs, running = 0 }) {
  const current = view.page.value === "experiment" && view.experiment.value === experiment;
  return html`<li>
    <a class="rail-link" href=${href({ page: "experiment", experiment, run: null })} aria-current=${current ? "page" : undefined}>
      <${Middle} text=${name} />
      ${running > 0 && html`<span class="dot good" role="img" aria-label=${`${running} running`}></span>`}
      <span class="count">${integer(runs)}</span>
    </a>
  </li>`;
}

/**
 * List of runs with a heading, of which the first few are shown.
 * @param {{heading: any, runs: any[], children: (run: any) => any, class?: string}} properties
 */
function Runs({ heading, runs, children, class: extra = "" }) {
  const more = runs.length - SHOWN;
  return html`<section>
    <h3>${heading}</h3>
    <ul>
      ${runs.slice(0, SHOWN).map((run) => html`<li key=${run.key}><a class=${`rail-run ${extra}`} href=${href({ page: "run", run: run.key, experiment: null })}>${children(run)}</a></li>`)}
    </ul>
    ${more > 0 && html`<p class="rail-more soft small">and ${integer(more)} more</p>`}
  </section>`;
}

/** @param {{runs: any[]}} properties */
function Now({ runs }) {
  return html`<${Runs} heading="Running now" runs=${runs}>
    ${(/** @type {any} */ run) => html`<span class="dot good" aria-hidden="true"></span>
      <${Middle} text=${run.name} />
      <span class="count">${run.progress == null ? "" : percent(run.progress)}</span>
      <span class="rail-detail soft small">${progressText(run)}</span>`}
  </${Runs}>`;
}

/** @param {{runs: any[]}} properties */
function Ended({ runs }) {
  const clear = html`<${Button} quiet onClick=${() => dismiss(runs.map(({ key }) => key))}>Clear</${Button}>`;
  return html`<${Runs} heading=${["Ended since last visit", clear]} runs=${runs} class="ended">
    ${(/** @type {any} */ run) => html`<${Middle} text=${run.name} title=${`${run.name}, ended ${moment(run.ended)}`} />
      <span class="small"><${State} state=${run.state} /></span>
      ${run.reason && html`<span class="rail-detail soft small two-lines">${run.reason}</span>`}
      <span class="rail-detail soft small">${ago(run.ended)}</span>`}
  </${Runs}>`;
}

/** @param {{texts: string[]}} properties */
function Problems({ texts }) {
  return html`<details class="rail-problems small">
    <summary class="warn">${plural(texts.length, "problem")} in the store</summary>
    <ul>
      ${texts.map((text) => html`<li key=${text}>${text}</li>`)}
    </ul>
  </details>`;
}

/** @param {any} run */
function progressText({ step, total_steps: steps, seconds_left: left }) {
  if (step === null || step === undefined) return "starting";
  const where = steps ? `step ${integer(step)} of ${integer(steps)}` : `step ${integer(step)}`;
  return left ? `${where}, ${duration(left)} left` : where;
}
