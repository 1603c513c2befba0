// @ts-check
/** Charts of an experiment: a toolbar, and groups of panels that can be folded. Each panel shows one quantity. */
import { signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useResource, withQuery } from "../../api.js";
import { groupKey } from "../../charts/lines.js";
import { ViewPanel } from "../../charts/view_panel.js";
import { SharedAxes } from "../../charts/x_axis.js";
import { COLOURS, assign, assigned, colourIndex } from "../../colours.js";
import { Empty } from "../../parts/empty.js";
import { Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { preference } from "../../preferences.js";
import { patch, view } from "../../url.js";
import { ChartLegend } from "./chart_legend.js";
import { useChartKeys } from "./chart_keys.js";
import { ChartToolbar, xChoicesOf } from "./chart_toolbar.js";
import { panelGroups, searchPanels } from "../../charts/panels.js";
import { usePinnedValues } from "./pinned_values.js";
import { drawn, hovered, runs } from "./state.js";

const OPEN_AT_FIRST = 2;
const THREE_LINES = `run = runfolio.init(experiment="digits")
for step, loss in enumerate(losses):
    run.log({"train/loss": loss}, step=step)`;

/** State of each group of panels (true if open), by experiment and prefix. */
const folds = preference("chart-groups", /** @type {Record<string, boolean>} */ ({}));
/** Name of the x axis of the first panel. The zoom and the pin in the URL refer to this axis if the URL names none. */
const firstX = signal("step");

/** Charts of the drawn runs. */
export function ExperimentCharts() {
  const axes = useMemo(() => new SharedAxes(), [view.experiment.value]);
  const columns = useResource(() => columnsPath());
  const search = useSignal("");
  const full = useSignal(/** @type {string | null} */ (null));
  const current = useRef(/** @type {string | null} */ (null));
  const [isActive, setActive] = useState(false);
  const axis = axes.of(view.x.value || firstX.value);
  useEffect(() => axis.bind(readRange, writeRange), [axis]);
  const main = runs.data.value?.metric ?? "";
  const groups = useMemo(() => panelGroups(columns.data.value?.columns ?? [], main), [columns.data.value, main]);
  const seen = useSignal(/** @type {ReadonlySet<string>} */ (new Set()));
  usePinnedValues(groups, seen);
  useChartKeys({ full, current, isActive, axis });
  if (columns.error.value && !columns.data.value) return html`<${Failure} error=${columns.error.value} retry=${columns.refresh} />`;
  if (!columns.data.value || !runs.data.value) return null;
  if (!groups.length) return html`<${Empty} title="No curves yet" code=${[{ text: THREE_LINES, label: "example" }]}>Metrics appear here as soon as a run logs them.</${Empty}>`;
  const note = (/** @type {Event} */ event) => {
    const panel = /** @type {Element} */ (event.target).closest("[data-panel]");
    current.current = panel instanceof HTMLElement ? panel.dataset.panel ?? null : null;
    setActive(true);
  };
  return html`<div class="charts-page" onPointerOver=${note} onFocusIn=${note} onPointerLeave=${() => setActive(false)}>
    <${ChartToolbar} search=${search} x=${view.x.value || firstX.value} columns=${columns.data.value.columns} />
    ${view.layout.value === "charts" && html`<${ChartLegend} />`}
    <${Groups} groups=${groups} search=${search.value} columns=${columns.data.value.columns} full=${full} seen=${seen} axes=${axes} />
  </div>`;
}

function columnsPath() {
  if (view.page.value !== "experiment") return null;
  return withQuery("api/columns", { experiment: view.experiment.value, where: view.where.value });
}

/** @returns {[number, number] | null} */
function readRange() {
  const [from, to] = [view.from.value, view.to.value];
  return from === null || to === null ? null : [from, to];
}

/** @param {[number, number] | null} range */
function writeRange(range) {
  patch({ from: range?.[0] ?? null, to: range?.[1] ?? null });
}

/**
 * @param {{
 *   groups: import("../../charts/panels.js").PanelGroup[],
 *   search: string,
 *   columns: any[],
 *   full: import("@preact/signals").Signal<string | null>,
 *   seen: import("@preact/signals").Signal<ReadonlySet<string>>,
 *   axes: SharedAxes,
 * }} props
 */
function Groups({ groups, search, columns, full, seen, axes }) {
  const common = useCommon(columns, full, seen, axes);
  const found = searchPanels(groups, search);
  if (!found.length) return html`<p class="soft">No chart matches “${search}”.</p>`;
  return found.map(({ prefix, panels }, index) => {
    const name = `${view.experiment.value ?? ""} ${prefix}`;
    const isOpen = search !== "" || (folds.value[name] ?? index < OPEN_AT_FIRST);
    const toggle = () => (folds.value = { ...folds.value, [name]: !isOpen });
    return html`<section class="chart-group" key=${prefix} aria-label=${prefix || "main"}>
      ${groups.length > 1 && html`<h2><button type="button" class="chart-fold" aria-expanded=${isOpen} onClick=${toggle}>${prefix || "main"} <span class="soft">${panels.length}</span></button></h2>`}
      ${isOpen && html`<div class="chart-grid">${panels.map((panel) => html`<${OnePanel} key=${panel.quantity} panel=${panel} isFirst=${panel === groups[0].panels[0]} common=${common} />`)}</div>`}
    </section>`;
  });
}

/**
 * Return the properties that all panels share.
 * @param {any[]} columns
 * @param {import("@preact/signals").Signal<string | null>} full
 * @param {import("@preact/signals").Signal<ReadonlySet<string>>} seen
 * @param {SharedAxes} axes
 */
function useCommon(columns, full, seen, axes) {
  const group = view.group.value;
  const data = runs.data.value;
  const shown = drawn.value;
  const keys = useSameOrder(view.show.value.length ? shown : [...new Set([...shown, ...(data.keys ?? [])])]);
  const names = useMemo(() => namesOf(data), [data]);
  const labels = (data.groups ?? []).slice(0, COLOURS).map((/** @type {any} */ each) => groupKey(each.label));
  useEffect(() => assign(labels), [labels.join("\n")]);
  const colour = useMemo(() => {
    const coloured = new Set(shown);
    return (/** @type {string} */ key) => (group || coloured.has(key) ? colourIndex(key) : -1);
  }, [shown, group, assigned.value]);
  const selection = { experiment: view.experiment.value, where: view.where.value, archived: view.archived.value };
  const source = group ? { ...selection, group } : { runs: keys, group: "" };
  useEffect(() => axes.forget(), [JSON.stringify(source)]);
  return { source, names, colour, xChoices: xChoicesOf(columns), full, seen, axes };
}

/**
 * Return the previous array if it has the same keys. Therefore, a change of the keys' order causes no request.
 * @param {string[]} keys
 */
function useSameOrder(keys) {
  const before = useRef(keys);
  if (before.current.length !== keys.length || !keys.every((key) => before.current.includes(key))) before.current = keys;
  return before.current;
}

/** @param {any} data Answer with the first rows of the table. */
function namesOf(data) {
  const settings = (data.columns ?? []).map((/** @type {any} */ column, /** @type {number} */ index) => ({ ...column, values: data.values[index] }));
  const detail = (/** @type {number} */ row) =>
    settings
      .filter((/** @type {any} */ { name, values }) => name.startsWith("params.") && values[row] !== null)
      .map((/** @type {any} */ { heading, values }) => `${heading} ${values[row]}`)
      .join(", ");
  return new Map((data.keys ?? []).map((/** @type {string} */ key, /** @type {number} */ row) => [key, { name: data.fields.name[row], detail: detail(row) }]));
}

/** @param {{panel: import("../../charts/panels.js").PanelOf, isFirst: boolean, common: ReturnType<typeof useCommon>}} props */
function OnePanel({ panel, isFirst, common }) {
  const { seen, ...shared } = common;
  const note = (/** @type {boolean} */ isVisible) => {
    const next = new Set(seen.peek());
    next[isVisible ? "add" : "delete"](panel.quantity);
    seen.value = next;
  };
  const foundX = (/** @type {string} */ name) => {
    if (isFirst && !view.x.peek()) firstX.value = name;
  };
  const legend = shared.full.value === panel.quantity && html`<${ChartLegend} />`;
  return html`<${ViewPanel} ...${shared} panel=${panel} mainX=${firstX.value} hovered=${hovered} foundX=${foundX} legend=${legend} seen=${note} />`;
}
