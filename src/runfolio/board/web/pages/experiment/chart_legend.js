// @ts-check
/** Legend with the names of the coloured runs or groups. It is shown with charts that appear without the table. */
import { groupKey } from "../../charts/lines.js";
import { COLOURS, colourIndex, css } from "../../colours.js";
import { html } from "../../parts/html.js";
import { href, view } from "../../url.js";
import { drawn, hovered, runs } from "./state.js";

/** @typedef {{key: string, name: string, link: string}} Entry */

const MOST_NAMES = 24;

export function ChartLegend() {
  const entries = view.group.value ? groups() : runsInColour();
  return html`<ul class="chart-legend small" aria-label="Colours">
    ${entries.slice(0, MOST_NAMES).map((/** @type {Entry} */ { key, name, link }) => {
      const point = (/** @type {string | null} */ value) => () => (hovered.value = value);
      const swatch = html`<span class=${`chart-swatch ${css(colourIndex(key))}`}></span>`;
      return html`<li key=${key} class=${hovered.value === key ? "is-hovered" : ""} onPointerEnter=${point(key)} onPointerLeave=${point(null)}>
        ${link ? html`<a href=${link} onFocus=${point(key)} onBlur=${point(null)}>${swatch}${name}</a>` : html`<span>${swatch}${name}</span>`}
      </li>`;
    })}
    ${entries.length > MOST_NAMES && html`<li class="soft">and ${entries.length - MOST_NAMES} more</li>`}
  </ul>`;
}

function groups() {
  const found = runs.data.value?.groups ?? [];
  return found.slice(0, COLOURS).map((/** @type {any} */ { label }) => ({ key: groupKey(label), name: label, link: "" }));
}

function runsInColour() {
  const { keys = [], fields } = runs.data.value ?? {};
  return drawn.value.map((key) => {
    const row = keys.indexOf(key);
    return { key, name: row < 0 ? key : fields.name[row], link: href({ page: "run", run: key }) };
  });
}
