// @ts-check
/** System tab of a run: the load of the machine and the speed of training. */
import { useMemo } from "preact/hooks";
import { SharedAxes } from "../../charts/x_axis.js";
import { number } from "../../format.js";
import { Empty } from "../../parts/empty.js";
import { html } from "../../parts/html.js";
import { Facts, Section } from "./blocks.js";
import { RunPanels } from "./run_panels.js";

/** @param {{run: any}} properties */
export function Tab({ run }) {
  const axes = useMemo(() => new SharedAxes(), []);
  if (!run.load.length) return html`<${Empty} title="No measurements">A run measures the load of the machine and the speed of training every ten seconds.</${Empty}>`;
  const groups = /** @type {string[]} */ ([...new Set(run.load.map((/** @type {any} */ { group }) => group))]);
  const panels = (/** @type {any[]} */ entries) => entries.map(({ metric, title, unit }) => ({ quantity: `${title}, ${unit}`, metrics: [{ name: metric, split: null }], mode: null }));
  const rows = run.load.map((/** @type {any} */ { group, title, unit, mean, max }) => [`${group}: ${title}`, `${number(mean, 3)}, at most ${number(max, 3)} ${unit}`]);
  return html`<div class="system">
    ${groups.map((group) => html`<${Section} title=${group} key=${group}><${RunPanels} run=${run} panels=${panels(run.load.filter((/** @type {any} */ entry) => entry.group === group))} axes=${axes} x="time" /></${Section}>`)}
    <${Section} title="Mean and maximum"><${Facts} rows=${rows} /></${Section}>
  </div>`;
}
