// @ts-check
/** Fetches the curves of a panel: the whole curves, the zoomed range in full detail, and newly recorded points. */
import { computed, effect, signal } from "@preact/signals";
import { getBinary, resource, withQuery } from "../api.js";
import { points } from "../live.js";
import { extendLines, extent, readLines } from "./lines.js";

/** Number of added points after which the lines are fetched again. The server then thins all their points. */
const MOST_ADDED = 4000;
const POINTS_INTERVAL = 1000;
const MOST_METRICS = 50;
const MOST_CURSORS = 1000;

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
  /** @type {CurveQuery | null} */
  let last = null;
  const needed = computed(() => (visible.value ? (last = query()) : last));
  const whole = resource(() => needed.value && curvesPath(needed.value), {
    binary: true,
    follow: (event) => visible.peek() && isDerived(needed.peek()) && hasGrown(needed.peek(), event),
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

/** Return true if new points cannot simply be appended to the curves. @param {CurveQuery | null} query */
function isDerived(query) {
  return query !== null && (query.smooth > 0 || query.group !== "" || !["", "step", "epoch", "time"].includes(query.x));
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
    const answer = await newPoints({ ...query, x: whole.data.peek().head.x }, runs, cursors);
    isBusy = false;
    if (!answer) {
      for (const key of runs) grown.add(key); // fetched together with the next points
      return;
    }
    if (wholeLines.peek() !== basis) return;
    const next = extendLines(extended.peek() ?? basis, readLines(answer, splits()));
    Object.assign(cursors, answer.head.cursors);
    if (answer.head.reset || countPoints(next) > countPoints(basis) + MOST_ADDED) whole.refresh();
    else extended.value = next;
    extend();
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

/** @typedef {{query: CurveQuery, runs: string[], cursors: Record<string, string>, done: (answer: any) => void}} Wish */

/** @type {Wish[]} */
let wishes = [];
let timer = 0;
let lastFetch = -Infinity;

/**
 * Fetch the points of a panel that were recorded since its last request, which `cursors` marks. The panels of a page
 * share one request, at most once per second. The answer is null if the request fails.
 * @param {CurveQuery} query
 * @param {string[]} runs
 * @param {Record<string, string>} cursors
 * @returns {Promise<any>}
 */
function newPoints(query, runs, cursors) {
  timer ||= window.setTimeout(fetchWishes, Math.max(0, lastFetch + POINTS_INTERVAL - performance.now()));
  return new Promise((done) => wishes.push({ query, runs, cursors, done }));
}

function fetchWishes() {
  timer = 0;
  lastFetch = performance.now();
  const kind = (/** @type {Wish} */ { query }) => [query.x, query.log, query.runs].join();
  while (wishes.length) {
    const [first] = wishes;
    // The server accepts a limited number of metrics, and addresses of up to 64 kB.
    let room = Math.min(MOST_METRICS, MOST_CURSORS / first.runs.length);
    const batch = wishes.filter((wish) => kind(wish) === kind(first) && ((room -= wish.query.metrics.length) >= 0 || wish === first));
    wishes = wishes.filter((wish) => !batch.includes(wish));
    fetchTogether(batch);
  }
}

/** @param {Wish[]} batch Wishes for metrics of the same runs, over the same x. */
async function fetchTogether(batch) {
  const runs = [...new Set(batch.flatMap((wish) => wish.runs))];
  const after = runs.map((key) => batch.map(({ query, cursors }) => cursors[key] ?? ".".repeat(query.metrics.length - 1)).join("."));
  const { x, log, px } = batch[0].query;
  try {
    const { head, data } = await getBinary(curvesPath({ runs, metrics: batch.flatMap(({ query }) => query.metrics), x, log, px, after }));
    let first = 0;
    for (const { query, done } of batch) {
      const [start, end] = [first, (first += query.metrics.length)];
      const cursors = Object.fromEntries(runs.map((key) => [key, head.cursors[key]?.split(".").slice(start, end).join(".") ?? ""]));
      done({ head: { ...head, cursors, lines: head.lines.filter((/** @type {any} */ line) => query.metrics.includes(line.metric)) }, data });
    }
  } catch {
    for (const { done } of batch) done(null);
  }
}

/** @param {readonly Line[]} lines */
function countPoints(lines) {
  return lines.reduce((sum, line) => sum + line.x.length, 0);
}
