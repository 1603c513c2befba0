// @ts-check
/**
 * Toolbar above the charts. It sets the search, x axis, smoothing and scales of all panels, and names the drawn runs.
 */
import { ChoiceMenu } from "../../charts/choice_menu.js";
import { LOG_CHOICES, X_CHOICES, logText } from "../../charts/panel_header.js";
import { SmoothingSlider } from "../../charts/smoothing.js";
import { COLOURS } from "../../colours.js";
import { integer } from "../../format.js";
import { Button } from "../../parts/button.js";
import { Field } from "../../parts/field.js";
import { html } from "../../parts/html.js";
import { Segmented } from "../../parts/segmented.js";
import { groupName } from "../../table/group_menu.js";
import { patch, view } from "../../url.js";
import { drawn, pinned, runs } from "./state.js";

const MOST_METRICS = 100;

/**
 * Return the choices for the x axis: step, epoch, time, and the metrics.
 * @param {any[]} columns
 * @returns {[string, string][]}
 */
export function xChoicesOf(columns) {
  const isOther = (/** @type {any} */ column) => column.group === "metrics" && !X_CHOICES.some(([name]) => name === column.name);
  const metrics = columns.filter(isOther).slice(0, MOST_METRICS);
  return [...X_CHOICES, .../** @type {[string, string][]} */ (metrics.map(({ name }) => [name, name]))];
}

/** @param {{search: import("@preact/signals").Signal<string>, x: string, columns: any[]}} props */
export function ChartToolbar({ search, x, columns }) {
  const metrics = xChoicesOf(columns).slice(X_CHOICES.length);
  const log = view.log.value;
  const choose = (/** @type {string} */ value) => patch({ x: value, from: null, to: null, at: null });
  return html`<div class="chart-toolbar" role="toolbar" aria-label="Charts">
    <${Field} label="Find a chart" labelHidden type="search" class="chart-search" placeholder="Find a chart" value=${search.value} input=${(/** @type {string} */ text) => (search.value = text)} />
    <${Segmented} label="x axis" options=${X_CHOICES} value=${x} choose=${choose} />
    <${ChoiceMenu} label=${metrics.some(([name]) => name === x) ? `over ${x}` : "other x"} title="Metric on the x axis" options=${metrics} value=${x} choose=${choose} />
    <${SmoothingSlider} value=${view.smooth.value} change=${(/** @type {number} */ smooth) => patch({ smooth }, { replace: true })} />
    <${ChoiceMenu} label=${logText(log).replace("linear", "linear axes")} title="Scale of the axes" options=${LOG_CHOICES} value=${log} choose=${(/** @type {string} */ value) => patch({ log: value })} />
    <${DrawnRuns} />
  </div>`;
}

/** Sentence that says which runs are drawn and which of them have a colour. */
function DrawnRuns() {
  return html`<p class="chart-drawn small soft">
    <span>${drawnText()}</span>
    ${view.show.value.length > 0 && html`<${Button} quiet onClick=${() => patch({ show: [] })}>Draw the best ${COLOURS}</${Button}>`}
    ${pinned.value && view.smooth.value > 0 && html`<span>The table shows logged values.</span>`}
    ${pinned.value && html`<${Button} quiet onClick=${() => patch({ at: null })}>Unpin</${Button}>`}
  </p>`;
}

function drawnText() {
  const { total = 0, keys = [], groups } = runs.data.value ?? {};
  if (groups) return `Groups by ${groupName(view.group.value)}: ${integer(Math.min(groups.length, COLOURS))} of ${integer(total)} are in colour.`;
  const coloured = drawn.value.length;
  if (view.show.value.length) return `${integer(coloured)} chosen ${coloured === 1 ? "run" : "runs"} of ${integer(total)} drawn.`;
  const grey = new Set([...keys, ...drawn.value]).size - coloured;
  if (!grey) return `${integer(coloured)} ${coloured === 1 ? "run" : "runs"}.`;
  const rest = total - coloured - grey;
  return `The best ${integer(coloured)} of ${integer(total)} runs are in colour, ${rest > 0 ? `the next ${integer(grey)} are grey, and the others are not drawn` : "and the others are grey"}.`;
}
