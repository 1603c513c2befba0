// @ts-check
/**
 * Draws marks on lines for values that are not finite, for resumed attempts, and for runs that forked from another run.
 */
import { nearestIndex, toPixel } from "./strip.js";

/**
 * @typedef {import("./strip.js").View} View
 * @typedef {import("./strip.js").Strip} Strip
 * @typedef {{x: number, text: string, end: boolean}} Label
 */

const TICK = 7;
const FONT = "11px Inter, system-ui, sans-serif";

/**
 * Draw a tick at the x axis for each range of values that are not finite. A label names the first range.
 * @param {CanvasRenderingContext2D} context
 * @param {readonly [number, number][]} ranges
 * @param {View} view
 * @param {string} colour
 * @param {(x: number) => string} text Returns the text of a value of x.
 */
export function drawBroken(context, ranges, view, colour, text) {
  const inView = ranges.filter(([from, to]) => to >= view.x.min && from <= view.x.max);
  if (!inView.length) return;
  const height = TICK * view.ratio;
  context.save();
  context.fillStyle = colour;
  for (const [from, to] of inView) {
    const left = toPixel(view.x, Math.max(from, view.x.min));
    const width = toPixel(view.x, Math.min(to, view.x.max)) - left;
    context.fillRect(left - view.ratio, view.height - height, 2 * view.ratio, height);
    context.fillRect(left, view.height - 2 * view.ratio, width, 2 * view.ratio);
  }
  const first = Math.min(...inView.map(([from]) => from));
  const starts = new Set(inView.map(([from]) => from)).size;
  label(context, view, first, `NaN or infinite at ${text(first)}${starts > 1 ? `, and at ${starts - 1} more` : ""}`, colour);
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {number} x
 * @param {string} text
 * @param {string} colour
 */
function label(context, view, x, text, colour) {
  context.scale(view.ratio, view.ratio);
  context.font = FONT;
  context.fillStyle = colour;
  context.textBaseline = "bottom";
  const width = context.measureText(text).width;
  const space = view.width / view.ratio - width - 2;
  context.fillText(text, Math.max(2, Math.min(space, toPixel(view.x, x) / view.ratio - width / 2)),
    view.height / view.ratio - TICK - 2);
}

/**
 * Draw a notch across a line where an attempt was resumed.
 * @param {CanvasRenderingContext2D} context
 * @param {Strip} strip
 * @param {readonly number[]} resumes
 * @param {View} view
 * @param {string} colour
 */
export function drawResumes(context, strip, resumes, view, colour) {
  context.save();
  context.fillStyle = colour;
  for (const x of resumes) {
    const index = x < view.x.min || x > view.x.max ? -1 : nearestIndex(strip, x);
    if (index < 0) continue;
    const width = 1.5 * view.ratio;
    const half = 5 * view.ratio;
    context.fillRect(toPixel(view.x, x) - width / 2, toPixel(view.y, strip.y[index]) - half, width, 2 * half);
  }
  context.restore();
}

/**
 * Draw a hollow node where a fork leaves the line of its parent run. A line joins the node to the first point of the
 * fork.
 * @param {CanvasRenderingContext2D} context
 * @param {Strip} strip
 * @param {Strip | null} parent
 * @param {View} view
 * @param {{stroke: string, ground: string}} ink
 */
export function drawFork(context, strip, parent, view, ink) {
  const first = strip.y.findIndex(Number.isFinite);
  if (first < 0) return;
  const start = [toPixel(view.x, strip.x[first]), toPixel(view.y, strip.y[first])];
  const index = parent ? parent.x.findLastIndex((x, i) => x <= strip.x[first] && Number.isFinite(parent.y[i])) : -1;
  const node = parent && index >= 0 ? [toPixel(view.x, parent.x[index]), toPixel(view.y, parent.y[index])] : start;
  context.save();
  context.strokeStyle = ink.stroke;
  context.fillStyle = ink.ground;
  context.lineWidth = view.ratio;
  context.beginPath();
  context.moveTo(node[0], node[1]);
  context.lineTo(start[0], start[1]);
  context.stroke();
  context.lineWidth = 1.5 * view.ratio;
  context.beginPath();
  context.arc(node[0], node[1], 3.5 * view.ratio, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
  context.restore();
}

/**
 * Count the finite points above and the finite points below the limits that the user typed.
 * @param {readonly Strip[]} strips
 * @param {View} view
 */
export function countOutside(strips, view) {
  let above = 0;
  let below = 0;
  for (const { x, y } of strips) {
    for (let i = 0; i < x.length; i++) {
      if (x[i] < view.x.min || x[i] > view.x.max || !Number.isFinite(y[i])) continue;
      if (y[i] > view.y.max) above++;
      else if (y[i] < view.y.min) below++;
    }
  }
  return { above, below };
}
