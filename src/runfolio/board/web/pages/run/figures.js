// @ts-check
/** Tables of figures: metrics, results and checkpoints. */
import { ago, bytes, column, integer, moment, number, stepValue } from "../../format.js";
import { Copy } from "../../parts/copy.js";
import { html } from "../../parts/html.js";
import { href } from "../../url.js";

/**
 * Last and best value of each metric.
 * @param {{run: any}} properties
 */
export function Metrics({ run }) {
  const head = html`<h2 id="metrics-title">Metrics</h2>`;
  if (!run.metrics.length) {
    return html`<section aria-labelledby="metrics-title">${head}<p class="soft">Nothing was logged. Log values, and curves appear here while the run trains:</p><${Copy} text=${'run.log({"train/loss": loss}, step=step)'} label="line of Python" /></section>`;
  }
  return html`<section aria-labelledby="metrics-title">
    ${head}
    <div class="scroll"><table class="list">
      <thead><tr><th scope="col">Metric</th><th scope="col" class="number">Best</th><th scope="col" class="number">At step</th><th scope="col" class="number">Last</th><th scope="col" class="number">Points</th></tr></thead>
      <tbody>${run.metrics.map((/** @type {any} */ metric) => html`<tr key=${metric.name}>
        <th scope="row" class="wrap"><a href=${href({ tab: "curves", item: metric.name })}>${metric.name}</a></th>
        <td class="number">${metric.best_step === null ? "" : number(metric.best)}</td>
        <td class="number soft">${metric.best_step === null ? "" : stepValue(metric.best_step)}</td>
        <td class=${`number ${typeof metric.last === "string" ? "bad" : ""}`}>${number(metric.last)}</td>
        <td class="number soft">${integer(metric.points)}</td>
      </tr>`)}</tbody>
    </table></div>
  </section>`;
}

/**
 * Results that the run reported at its end.
 * @param {{run: any}} properties
 */
export function Results({ run }) {
  if (!run.results.length) return null;
  return html`<section aria-labelledby="results-title">
    <h2 id="results-title">Results</h2>
    <dl class="results">${run.results.map((/** @type {any} */ { name, value }) => html`<div key=${name}><dt class="soft wrap">${name}</dt><dd class=${typeof value === "number" ? "number" : "wrap"}>${resultText(value)}</dd></div>`)}</dl>
  </section>`;
}

/**
 * Checkpoints with their sizes, the newest first.
 * @param {{run: any}} properties
 */
export function Checkpoints({ run }) {
  const head = html`<h2 id="checkpoints-title">Checkpoints</h2>`;
  if (!run.checkpoints.length) {
    return html`<section aria-labelledby="checkpoints-title">${head}<p class="soft">None. With checkpoints, a run can be resumed and forked:</p><${Copy} text="run.checkpoint(model=model, optimizer=optimizer, step=step)" label="line of Python" /></section>`;
  }
  const newestFirst = [...run.checkpoints].reverse();
  const metrics = column(newestFirst.map((checkpoint) => checkpoint.metric));
  const hasMetric = newestFirst.some((checkpoint) => checkpoint.metric !== null);
  return html`<section aria-labelledby="checkpoints-title">
    ${head}
    <div class="scroll"><table class="list">
      <thead><tr><th scope="col">Name</th><th scope="col" class="number">Step</th>${hasMetric && html`<th scope="col" class="number">Metric</th>`}<th scope="col" class="number">Size</th><th scope="col">Saved</th></tr></thead>
      <tbody>${newestFirst.map((checkpoint, index) => html`<tr key=${checkpoint.name}>
        <th scope="row" class="wrap" title=${checkpoint.parts.join(", ")}>${checkpoint.name}</th>
        <td class="number">${checkpoint.step === null ? "" : stepValue(checkpoint.step)}</td>
        ${hasMetric && html`<td class="number">${metrics[index]}</td>`}
        <td class="number">${bytes(checkpoint.bytes)}</td>
        <td class="soft" title=${moment(checkpoint.saved)}>${ago(checkpoint.saved)}</td>
      </tr>`)}</tbody>
    </table></div>
  </section>`;
}

/** @param {any} value */
function resultText(value) {
  if (typeof value === "number") return number(value);
  return value === null ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value);
}
