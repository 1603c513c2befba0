// @ts-check
/** Lines of a chart, read from an answer of the server. */
import { integer } from "../format.js";

const COLUMNS = ["x", "y", "raw", "low", "high", "count"];

/**
 * @typedef {object} Line
 * @property {string} id Text made of the run or group, the metric and the attempt.
 * @property {string} key Key of the run, or `group:` and the text of the group.
 * @property {string | null} run
 * @property {string | null} group
 * @property {string} label
 * @property {string} metric
 * @property {string | null} split
 * @property {boolean} abandoned True if a later attempt resumed from a step before the points of this line.
 * @property {string | null} parent
 * @property {number} total Number of recorded points.
 * @property {number} within Number of recorded points in the requested range.
 * @property {number} shown Number of points in the requested range that the server sent.
 * @property {Float64Array} x
 * @property {Float64Array} y
 * @property {Float64Array | null} raw Values before smoothing.
 * @property {boolean} pale True if the values before smoothing are drawn.
 * @property {Float64Array | null} low
 * @property {Float64Array | null} high
 * @property {Float64Array | null} count Number of runs of a group.
 * @property {[number, number][]} broken Ranges of values that are not finite.
 * @property {number[]} resumes Values of x at which an attempt was resumed.
 */

/**
 * Return the key by which the colour of a group is looked up.
 * @param {string} group
 */
export function groupKey(group) {
  return `group:${group}`;
}

/**
 * Return the lines in an answer of the server.
 * @param {{head: any, data: Float64Array}} answer
 * @param {ReadonlyMap<string, string | null>} splits Split of each metric.
 * @returns {Line[]}
 */
export function readLines({ head, data }, splits) {
  return head.lines.map((/** @type {any} */ line) => {
    const column = (/** @type {string} */ name) => [name, line[name] === null ? null : data.subarray(line[name], line[name] + line.n)];
    const key = line.run ?? groupKey(line.group);
    const id = `${key} ${line.metric} ${line.attempt}`;
    return { ...line, ...Object.fromEntries(COLUMNS.map(column)), id, key, split: splits.get(line.metric) ?? null };
  });
}

/**
 * Return the lines with newly recorded points appended to them. New lines are added at the end.
 * @param {readonly Line[]} lines
 * @param {readonly Line[]} news
 * @returns {Line[]}
 */
export function extendLines(lines, news) {
  const byId = new Map(news.map((line) => [line.id, line]));
  const extended = lines.map((line) => {
    const more = byId.get(line.id);
    byId.delete(line.id);
    return more && more.x.length ? joined(line, more) : line;
  });
  return [...extended, ...byId.values()];
}

/** @param {Line} line @param {Line} more @returns {Line} */
function joined(line, more) {
  return {
    ...line,
    x: concatenated(line.x, more.x),
    y: concatenated(line.y, more.y),
    total: line.total + more.x.length,
    within: line.within + more.x.length,
    shown: line.shown + more.x.length,
    broken: [...line.broken, ...more.broken],
    resumes: [...line.resumes, ...more.resumes],
  };
}

/** @param {Float64Array} a @param {Float64Array} b */
function concatenated(a, b) {
  const whole = new Float64Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

/**
 * Return the smallest and largest finite x and y of lines. For y, only points with an x in `range` count.
 * @param {readonly Line[]} lines
 * @param {{range?: readonly [number, number] | null, logX?: boolean, logY?: boolean}} [options] On a logarithmic axis,
 * only positive values count.
 */
export function extent(lines, { range = null, logX = false, logY = false } = {}) {
  const found = { x: [Infinity, -Infinity], y: [Infinity, -Infinity] };
  const [from, to] = range ?? [-Infinity, Infinity];
  for (const line of lines) {
    for (let i = 0; i < line.x.length; i++) {
      const x = line.x[i];
      if (logX && x <= 0) continue;
      if (x < found.x[0]) found.x[0] = x;
      if (x > found.x[1]) found.x[1] = x;
      if (x >= from && x <= to) includeValues(found.y, line, i, logY);
    }
  }
  return found;
}

/** @param {number[]} limits @param {Line} line @param {number} i @param {boolean} log */
function includeValues(limits, line, i, log) {
  for (const column of [line.y, line.pale ? line.raw : null, line.low, line.high]) {
    if (!column) continue;
    const value = column[i];
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    if (value < limits[0]) limits[0] = value;
    if (value > limits[1]) limits[1] = value;
  }
}

/**
 * Return a text that says how many points are shown.
 * @param {readonly Line[]} lines
 */
export function countText(lines) {
  const sum = (/** @type {"total" | "within" | "shown"} */ name) => lines.reduce((count, line) => count + line[name], 0);
  const [total, within, shown] = [sum("total"), sum("within"), sum("shown")];
  if (shown < within) return `${integer(shown)} of ${integer(within)} points; zoom in to see all`;
  const points = within === 1 ? "1 point" : `${integer(within)} points`;
  return within < total ? `All ${points} of this range` : points;
}
