// @ts-check
/** A panel shows the curves of one quantity, with settings, a status line and a data table. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { duration, stepValue } from "../format.js";
import { Button } from "../parts/button.js";
import { Failure } from "../parts/error_boundary.js";
import { html } from "../parts/html.js";
import { followCurves } from "./curves.js";
import { countText } from "./lines.js";
import { PanelHeader } from "./panel_header.js";
import { Plot } from "./plot.js";
import { DataTable, chartSentence, summarise } from "./summary.js";

const MARGIN = "240px";
const WIDTH_STEP = 200;

/**
 * @typedef {import("./lines.js").Line} Line
 *
 * @typedef {object} Source Selection of curves: those of runs given by key, or those of groups of matching runs.
 * @property {string[]} [runs]
 * @property {string | null} [experiment]
 * @property {string} [where]
 * @property {boolean} [archived]
 * @property {string} group
 *
 * @typedef {object} Props
 * @property {string} title
 * @property {{name: string, split: string | null}[]} metrics
 * @property {"min" | "max" | null} mode "min" if smaller values of the quantity are better, "max" if larger values are.
 * @property {Source} source
 * @property {import("./panel_header.js").Settings} settings
 * @property {(change: Partial<import("./panel_header.js").Settings>) => void} change
 * @property {[string, string][]} xChoices
 * @property {import("./x_axis.js").SharedAxes} axes
 * @property {(key: string) => number} colour
 * @property {ReadonlyMap<string, {name: string, detail: string}>} names Names of runs, and the settings in which they
 *   differ.
 * @property {import("@preact/signals").Signal<string | null>} hovered
 * @property {{name: string, at: number} | null} pinned Name of an x axis, and the value that is pinned on it.
 * @property {(name: string, at: number | null) => void} pin
 * @property {boolean} isFull
 * @property {() => void} toggleFull
 * @property {any} [legend] Legend of the colours, shown above the drawing.
 * @property {boolean} canDraw
 * @property {(isVisible: boolean) => void} [seen] Called when the panel enters or leaves the screen.
 * @property {(name: string) => void} [foundX] Called with the x that the server chose.
 */

/** @param {Props} props */
export function Panel(props) {
  const { title, settings, isFull } = props;
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  const { visible, width } = useVisibility(root, props.seen);
  const query = queryOf(props, width.value);
  const curves = useCurves(query, props.axes, visible, splitsOf(props.metrics));
  const axis = props.axes.of(curves.x.value);
  const isRead = curves.lines.value !== null;
  useEffect(() => {
    if (isRead) props.foundX?.(curves.x.value);
  }, [isRead, curves.x.value]);
  const [asTable, setAsTable] = useState(false);
  const lines = /** @type {Line[]} */ (curves.lines.value ?? NONE);
  const summaries = useMemo(() => summarise(lines), [lines]);
  const view = describe(props, curves, lines, summaries);
  const classes = `panel ${settings.size && "is-wide"} ${isFull ? "is-full" : ""}`;
  return html`<section ref=${root} class=${classes} aria-label=${title} data-panel=${title}>
    <${PanelHeader}
      title=${title}
      splits=${props.metrics.map((metric) => metric.split)}
      settings=${settings}
      change=${props.change}
      xChoices=${props.xChoices}
      xName=${view.xName}
      isFull=${isFull}
      toggleFull=${props.toggleFull}
      exports=${{ query: () => exportQuery(query, props, axis, view.lines), canDraw: props.canDraw }}
    />
    ${props.legend}
    <div class="panel-body">
      ${asTable ? html`<${DataTable} title=${title} ...${view} />` : html`<${Drawing} props=${props} axis=${axis} view=${view} isVisible=${visible.value} curves=${curves} />`}
    </div>
    <${Status} view=${view} axis=${axis} curves=${curves} asTable=${asTable} toggle=${() => setAsTable(!asTable)} title=${title} />
  </section>`;
}

/** @param {{props: Props, axis: import("./x_axis.js").SharedAxis, view: any, isVisible: boolean, curves: any}} properties */
function Drawing({ props, axis, view, isVisible, curves }) {
  if (curves.error.value?.status === 0 && !view.lines.length) return html`<div class="chart soft small">Waiting for the server …</div>`;
  if (curves.error.value && !view.lines.length) return html`<${Failure} error=${curves.error.value} retry=${curves.retry} />`;
  // A chart out of sight keeps its space on the page but has no canvas.
  if (!isVisible || curves.lines.value === null) return html`<div class="chart soft small">${curves.loading.value && "Loading …"}</div>`;
  const { log, ylim } = props.settings;
  const pinned = props.pinned?.name === view.xName ? props.pinned?.at ?? null : null;
  const pin = (/** @type {number | null} */ at) => props.pin(view.xName, at);
  return html`<${Plot} ...${view} title=${props.title} label=${view.sentence} axis=${axis} log=${log} ylim=${ylim} detail=${(/** @type {Line} */ line) => props.names.get(line.key)?.detail ?? ""} hovered=${props.hovered} pinned=${pinned} pin=${pin} />`;
}

/** @param {{view: any, axis: import("./x_axis.js").SharedAxis, curves: any, asTable: boolean, toggle: () => void, title: string}} props */
function Status({ view, axis, curves, asTable, toggle, title }) {
  const range = axis.settled.value;
  const notes = curves.notes.value;
  const failure = curves.error.value && view.lines.length ? "Not up to date: the server does not answer." : "";
  return html`<footer class="panel-status small soft">
    <span class="panel-count">${view.lines.length ? countText(view.lines) : curves.lines.value ? "No values yet." : ""}</span>
    ${view.lines.some((/** @type {Line} */ line) => line.count) && html`<span>Bars: number of runs at each ${view.xName}</span>`}
    ${range && html`<${Button} quiet class="panel-release" onClick=${() => axis.zoom(null, { now: true })}>${`${view.rangeText(range[0])} to ${view.rangeText(range[1])}: show all`}</${Button}>`}
    ${notes.length > 0 && html`<details class="panel-notes"><summary>${notes.length === 1 ? "1 note" : `${notes.length} notes`}</summary>${notes.map((/** @type {string} */ note) => html`<p key=${note}>${note}</p>`)}</details>`}
    ${failure && html`<span class="warn">${failure}</span>`}
    <${Button} quiet class="panel-table-button" aria-pressed=${asTable} aria-label=${`Table of ${title}`} onClick=${toggle}>${asTable ? "chart" : "table"}</${Button}>
  </footer>`;
}

/**
 * @param {{current: HTMLElement | null}} root
 * @param {((isVisible: boolean) => void) | undefined} seen
 */
function useVisibility(root, seen) {
  const visible = useSignal(false);
  const width = useSignal(0);
  useEffect(() => {
    const element = /** @type {HTMLElement} */ (root.current);
    const observer = new IntersectionObserver(
      ([entry]) => {
        width.value ||= roundedWidth(element);
        visible.value = entry.isIntersecting;
        seen?.(entry.isIntersecting);
      },
      { rootMargin: MARGIN },
    );
    const resized = new ResizeObserver(() => (width.value = roundedWidth(element)));
    observer.observe(element);
    resized.observe(element);
    return () => {
      observer.disconnect();
      resized.disconnect();
      seen?.(false);
    };
  }, []);
  return { visible, width };
}

/**
 * Return the width in device pixels, rounded up to coarse steps. Therefore, a small change of the size causes no
 * request.
 * @param {HTMLElement} element
 */
function roundedWidth(element) {
  return Math.min(8000, Math.ceil((element.clientWidth * devicePixelRatio) / WIDTH_STEP) * WIDTH_STEP);
}

/** @param {Props} props @param {number} px */
function queryOf({ source, metrics, settings }, px) {
  if (!px || !metrics.length || (source.runs && !source.runs.length)) return null;
  const { x, smooth, log } = settings;
  return { ...source, metrics: metrics.map((metric) => metric.name), x, smooth, log, px };
}

/** @param {{name: string, split: string | null}[]} metrics */
function splitsOf(metrics) {
  // A single metric needs no dashes.
  return new Map(metrics.map(({ name, split }) => [name, metrics.length > 1 ? split : null]));
}

/**
 * @param {ReturnType<typeof queryOf>} query
 * @param {import("./x_axis.js").SharedAxes} axes
 * @param {import("@preact/signals").Signal<boolean>} visible
 * @param {ReadonlyMap<string, string | null>} splits
 */
function useCurves(query, axes, visible, splits) {
  const wanted = useSignal(query);
  if (JSON.stringify(wanted.peek()) !== JSON.stringify(query)) queueMicrotask(() => (wanted.value = query));
  const latest = useRef(splits);
  latest.current = splits;
  const curves = useMemo(() => followCurves(() => wanted.value, axes, visible, () => latest.current), [axes]);
  useEffect(() => curves.dispose, [curves]);
  return curves;
}

/**
 * Return the content of the drawing and of the data table.
 * @param {Props} props
 * @param {any} curves
 * @param {Line[]} lines
 * @param {import("./summary.js").LineSummary[]} summaries
 */
function describe(props, curves, lines, summaries) {
  const x = /** @type {string} */ (curves.x.value);
  const time = curves.unit.value === "s";
  const xText = time ? (/** @type {number} */ value) => duration(value) : stepValue;
  const name = (/** @type {Line} */ line) => props.names.get(line.key)?.name ?? line.group ?? line.label;
  return {
    lines,
    xName: x,
    xText,
    // Three digits are enough to name a zoomed range.
    rangeText: (/** @type {number} */ value) => xText(Number(value.toPrecision(3))),
    name,
    summaries,
    smoothed: props.settings.smooth > 0,
    time,
    whole: x === "step" || x === "epoch",
    colour: props.colour,
    sentence: chartSentence(props.title, x, summaries, { name, mode: props.mode }),
  };
}

/** @type {Line[]} */
const NONE = [];

/**
 * Return the query for a figure with the same lines, limits, colours and order as the panel.
 * @param {ReturnType<typeof queryOf>} query
 * @param {Props} props
 * @param {import("./x_axis.js").SharedAxis} axis
 * @param {readonly Line[]} lines
 */
function exportQuery(query, { settings, colour }, axis, lines) {
  const range = axis.settled.peek();
  const keys = [...new Set(lines.map((line) => line.key))];
  return {
    ...query,
    px: null,
    from: range?.[0],
    to: range?.[1],
    ylim: settings.ylim && settings.ylim.map((limit) => limit ?? "").join(","),
    colours: keys.map((key) => String(colour(key))),
  };
}
