// @ts-check
/** Curves tab of a run: one panel per quantity. */
import { useMemo, useState } from "preact/hooks";
import { withQuery } from "../../api.js";
import { X_CHOICES } from "../../charts/panel_header.js";
import { panelGroups, searchPanels } from "../../charts/panels.js";
import { SmoothingSlider } from "../../charts/smoothing.js";
import { SharedAxes } from "../../charts/x_axis.js";
import { integer } from "../../format.js";
import { Empty } from "../../parts/empty.js";
import { Field } from "../../parts/field.js";
import { html } from "../../parts/html.js";
import { Segmented } from "../../parts/segmented.js";
import { patch, view } from "../../url.js";
import { Loaded } from "./blocks.js";
import { RunPanels } from "./run_panels.js";
import { runChanged } from "./state.js";

/** Number of groups of panels that are initially open. */
const MOST_OPEN = 2;

/** @param {{run: any}} properties */
export function Tab({ run }) {
  const path = withQuery("api/columns", { where: `id = '${run.id}'`, archived: true });
  return html`<${Loaded} path=${path} follow=${runChanged}>${(/** @type {any} */ data) => html`<${Curves} run=${run} columns=${data.columns} />`}</${Loaded}>`;
}

/** @param {{run: any, columns: any[]}} properties */
function Curves({ run, columns }) {
  const axes = useMemo(() => new SharedAxes(), []);
  const all = panelGroups(columns, "").filter(({ prefix }) => prefix !== "system");
  const groups = searchPanels(all, view.item.value);
  const [firstX, setFirstX] = useState("step");
  const foundX = (/** @type {string} */ x) => view.x.peek() || setFirstX(x);
  if (!all.length) return html`<${Empty} title="No curves yet" code=${[{ text: 'run.log({"train/loss": loss}, step=step)', label: "line of Python" }]}>Metrics appear here as soon as the run logs them.</${Empty}>`;
  return html`<div class="chart-toolbar" role="toolbar" aria-label="Charts">
      <${Field} label="Find a chart" labelHidden type="search" class="chart-search" placeholder="Find a chart" value=${view.item.value} input=${(/** @type {string} */ item) => patch({ item }, { replace: true })} />
      <${Segmented} label="x axis" options=${X_CHOICES} value=${view.x.value || firstX} choose=${(/** @type {string} */ x) => patch({ x, at: null })} />
      <${SmoothingSlider} value=${view.smooth.value} change=${(/** @type {number} */ smooth) => patch({ smooth }, { replace: true })} />
    </div>
    ${!groups.length && html`<p class="soft">No chart matches “${view.item.value}”.</p>`}
    ${groups.map(({ prefix, panels }, index) => {
      const charts = html`<${RunPanels} run=${run} panels=${panels} axes=${axes} mainX=${firstX} foundX=${index ? null : foundX} />`;
      return all.length === 1 ? charts : html`<details class="chart-group" open=${index < MOST_OPEN || view.item.value !== ""} key=${prefix}><summary><strong>${prefix || "main"}</strong> ${integer(panels.length)}</summary>${charts}</details>`;
    })}`;
}
