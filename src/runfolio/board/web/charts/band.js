// @ts-check
/** Draws the band of a group of runs, and the number of its runs at each x. */
import { indexesInView, toPixel } from "./strip.js";

/** @typedef {import("./strip.js").View} View */

/**
 * Fill the area between the low and high limits of a band. It has a gap wherever a limit is not finite.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./strip.js").Strip & {low: Float64Array, high: Float64Array}} band
 * @param {View} view
 * @param {string} fill
 */
export function drawBand(context, band, view, fill) {
  context.save();
  context.globalAlpha = 0.16;
  context.fillStyle = fill;
  for (const [start, end] of bandStretches(band, view)) fillStretch(context, band, view, start, end);
  context.restore();
}

/**
 * Return the index ranges that are in view and contain no gap.
 * @param {import("./strip.js").Strip & {low: Float64Array, high: Float64Array}} band
 * @param {View} view
 * @returns {[number, number][]}
 */
export function bandStretches(band, view) {
  const [first, last] = indexesInView(band, view.x.min, view.x.max);
  /** @type {[number, number][]} */
  const stretches = [];
  for (let start = first; start < last; ) {
    let end = start;
    while (end < last && isFinitePixel(band, view, end)) end++;
    if (end - start > 1) stretches.push([start, end]);
    start = end + 1;
  }
  return stretches;
}

/** @param {{x: Float64Array, low: Float64Array, high: Float64Array}} band @param {View} view @param {number} i */
function isFinitePixel(band, view, i) {
  return Number.isFinite(
    toPixel(view.x, band.x[i]) + toPixel(view.y, band.low[i]) + toPixel(view.y, band.high[i]),
  );
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{x: Float64Array, low: Float64Array, high: Float64Array}} band
 * @param {View} view
 * @param {number} start
 * @param {number} end
 */
function fillStretch(context, band, view, start, end) {
  context.beginPath();
  for (let i = start; i < end; i++) context.lineTo(toPixel(view.x, band.x[i]), toPixel(view.y, band.high[i]));
  for (let i = end - 1; i >= start; i--) context.lineTo(toPixel(view.x, band.x[i]), toPixel(view.y, band.low[i]));
  context.closePath();
  context.fill();
}

/**
 * Draw a strip that shows how many runs a group has at each x. The strip is more opaque where there are more runs.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./strip.js").Strip & {count: Float64Array}} group
 * @param {View} view
 * @param {string} fill
 * @param {{left: number, top: number, height: number}} place Position and height in device pixels.
 */
export function drawCounts(context, group, view, fill, place) {
  const [first, last] = indexesInView(group, view.x.min, view.x.max);
  let most = 0;
  for (const count of group.count) most = Math.max(most, count || 0);
  if (!most) return;
  const clamp = (/** @type {number} */ pixel) => Math.min(view.width, Math.max(0, pixel));
  context.save();
  context.fillStyle = fill;
  for (let i = first; i < last; ) {
    let end = i + 1;
    while (end < last && group.count[end] === group.count[i]) end++;
    const from = clamp(toPixel(view.x, group.x[i]));
    const to = clamp(toPixel(view.x, group.x[Math.min(end, last - 1)]));
    context.globalAlpha = 0.15 + (0.7 * (group.count[i] || 0)) / most;
    if (group.count[i]) context.fillRect(place.left + from, place.top, Math.max(1, to - from), place.height);
    i = end;
  }
  context.restore();
}
