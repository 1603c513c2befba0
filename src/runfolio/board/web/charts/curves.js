// @ts-check
/** Fetches the curves of a panel: the whole curves, the zoomed range in full detail, and newly recorded points. */
import { computed, effect, signal } from "@preact/signals";
import { getBinary, resource, withQuery } from "../api.js";
import { points } from "../live.js";
import { extendLines, extent, readLines } from "./lines.js";

/** Number of added points after which the lines are fetched again. The server then thins all their points. */
const MOST_ADDED = 4000;

/**
 * @typedef {object} CurveQuery
 * @property {string[]} [runs] Keys of runs. By default, the runs that `experiment` and `where` select.
 * @property {string | null} [experiment]
 * @property {string} [where]
 * @property {boolean} [archived]
 * @property {string[]} metrics
 * @property {string} x
 * @property {number} smooth
 * @property {string} group
 * @property {string} log
 * @property {number} px Width in device pixels.
 *
 * @typedef {import("./lines.js").Line} Line
 */

/**
 * Return the path of a request for curves, or for an exported file of them.
 * @param {Partial<CurveQuery> & Record<string, any>} query
 * @param {string} [path]
 */
export function curvesPath(query, path = "api/curves") {
  return withQuery(path, { ...query, smooth: query.smooth || null });
}

/**
 * Follow the curves of a panel. Nothing is fetched while the panel is out of sight.
 * @param {() => CurveQuery | null} query Reads signals; the curves follow their changes.
 * @param {import("./x_axis.js").SharedAxes} axes
 * @param {import("@preact/signals").Signal<boolean>} visible
 * @param {() => ReadonlyMap<string, string | null>} splits Split of each metric.
 */
export function followCurves(query, axes, visible, splits) {
  const needed = whileVisible(visible, query);
  const whole = resource(() => needed.value && curvesPath(needed.value), {
    binary: true,
    follow: (event) => visible.peek() && mustRefetch(needed.peek(), event),
  });
  // If the query names no x, the server chooses the x axis that the runs define.
  const x = computed(() => /** @type {string} */ (whole.data.value?.head.x || needed.value?.x || "step"));
  const range = computed(() => axes.of(x.value).settled.value);
  const detail = resource(
    () => {
      const zoomed = range.value;
      return zoomed && needed.value && curvesPath({ ...needed.value, from: zoomed[0], to: zoomed[1] });
    },
    { binary: true, follow: (event) => visible.peek() && hasGrown(needed.peek(), event) },
  );
  const read = (/** @type {any} */ answer) => (answer ? readLines(answer, splits()) : null);
  const wholeLines = computed(() => read(whole.data.value));
  const detailLines = computed(() => read(detail.data.value));
  const extended = signal(/** @type {Line[] | null} */ (null));
  const stopReset = effect(() => {
    wholeLines.value;
    extended.value = null;
  });
  const stopLive = extendLive(needed, visible, whole, wholeLines, extended, splits);
  const lines = computed(() => {
    const all = extended.value ?? wholeLines.value;
    const part = detailLines.value;
    return part && covers(part, range.value, all) ? part : all;
  });
  return {
    lines,
    notes: computed(() => /** @type {string[]} */ (whole.data.value?.head.notes ?? [])),
    x,
    unit: computed(() => /** @type {string | null} */ (whole.data.value?.head.unit ?? null)),
    error: computed(() => whole.error.value ?? detail.error.value),
    loading: whole.loading,
    retry: whole.refresh,
    dispose() {
      for (const stop of [stopReset, stopLive, whole.dispose, detail.dispose]) stop();
    },
  };
}

/**
 * Return a signal of the query. It keeps its last value while the panel is out of sight.
 * @param {import("@preact/signals").Signal<boolean>} visible
 * @param {() => CurveQuery | null} query
 */
function whileVisible(visible, query) {
  /** @type {CurveQuery | null} */
  let last = null;
  return computed(() => {
    if (!visible.value) return last;
    const next = query();
    return (last = JSON.stringify(next) === JSON.stringify(last) ? last : next);
  });
}

/** Return true if new points cannot simply be appended to the curves. @param {CurveQuery} query */
function isDerived({ smooth, group, x }) {
  return smooth > 0 || group !== "" || !["", "step", "epoch", "time"].includes(x);
}

/** @param {CurveQuery | null} query @param {{runs: Set<string> | null, points: Set<string>}} event */
function mustRefetch(query, event) {
  return query !== null && isDerived(query) && hasGrown(query, event);
}

/** @param {CurveQuery | null} query @param {{runs: Set<string> | null, points: Set<string>}} event */
function hasGrown(query, event) {
  if (!query) return false;
  return query.runs ? query.runs.some((key) => event.points.has(key)) : event.points.size > 0 || event.runs === null;
}

/** @param {readonly Line[]} part @param {import("./x_axis.js").Range} range @param {readonly Line[] | null} all */
function covers(part, range, all) {
  if (!range || !all || !part.length) return false;
  const [[from, to], [first, last]] = [extent(part).x, extent(all).x];
  return from <= Math.max(range[0], first) && to >= Math.min(range[1], last);
}

/**
 * Add newly recorded points to the lines.
 * @param {import("@preact/signals").ReadonlySignal<CurveQuery | null>} needed
 * @param {import("@preact/signals").Signal<boolean>} visible
 * @param {import("../api.js").Resource} whole
 * @param {import("@preact/signals").ReadonlySignal<Line[] | null>} wholeLines
 * @param {import("@preact/signals").Signal<Line[] | null>} extended
 * @param {() => ReadonlyMap<string, string | null>} splits
 */
function extendLive(needed, visible, whole, wholeLines, extended, splits) {
  /** @type {Set<string>} */
  const grown = new Set();
  /** @type {Record<string, string>} */
  let cursors = {};
  let isBusy = false;
  const stopCursors = effect(() => {
    cursors = { ...(whole.data.value?.head.cursors ?? {}) };
  });

  async function extend() {
    const query = needed.peek();
    const basis = wholeLines.peek();
    const runs = [...grown].filter((key) => key in cursors);
    if (isBusy || !visible.peek() || !query || isDerived(query) || !basis || !runs.length) return;
    isBusy = true;
    grown.clear();
    try {
      const { experiment, where, archived, ...rest } = query;
      const answer = await getBinary(curvesPath({ ...rest, runs, after: runs.map((key) => cursors[key]) }));
      if (wholeLines.peek() !== basis) return;
      const next = extendLines(extended.peek() ?? basis, readLines(answer, splits()));
      Object.assign(cursors, answer.head.cursors);
      if (answer.head.reset || countPoints(next) > countPoints(basis) + MOST_ADDED) whole.refresh();
      else extended.value = next;
    } catch {
      for (const key of runs) grown.add(key); // fetched together with the next points
    } finally {
      isBusy = false;
    }
  }

  const stopPoints = effect(() => {
    for (const key of points.value) if (needed.peek()?.runs?.includes(key)) grown.add(key);
    if (visible.value) extend();
  });
  return () => {
    stopCursors();
    stopPoints();
  };
}

/** @param {readonly Line[]} lines */
function countPoints(lines) {
  return lines.reduce((sum, line) => sum + line.x.length, 0);
}
