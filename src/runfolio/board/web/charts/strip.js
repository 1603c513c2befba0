// @ts-check
/**
 * Draws lines on a canvas and finds the line under the cursor. A strip is the data of one line. A view is the plot
 * area, with a projection for each axis.
 */

/**
 * @typedef {object} Projection Maps a value to a device pixel: `k * value + b`, or `k * log10(value) + b`.
 * @property {boolean} log
 * @property {number} k
 * @property {number} b
 * @property {number} min
 * @property {number} max
 *
 * @typedef {object} View Plot area of a chart.
 * @property {number} width In device pixels.
 * @property {number} height
 * @property {number} ratio Device pixels per CSS pixel.
 * @property {Projection} x
 * @property {Projection} y
 *
 * @typedef {object} Strip Points of a line. A value that is not finite is a gap.
 * @property {Float64Array} x Never decreases.
 * @property {Float64Array} y
 *
 * @typedef {object} Ink
 * @property {string} stroke
 * @property {number} width In CSS pixels; 0 for one device pixel.
 * @property {number[]} dash In CSS pixels.
 * @property {number} [alpha]
 * @property {number} [column] Width of a column in device pixels. In a hairline, a point is left out if earlier points
 *   of its column lie above and below it.
 */

/** If a panel has more than this number of line segments, its lines are one device pixel wide. */
export const CROWDED = 20_000;
/** Number of line segments per chunk. Without a GPU, wide lines are drawn up to five times faster in short chunks. */
const CHUNK = 16;
/** Radius of a point between gaps, in CSS pixels. */
const DOT = 1.75;
const FAR = 50_000;

/**
 * @param {number} min
 * @param {number} max
 * @param {number} start Pixel of `min`.
 * @param {number} end Pixel of `max`.
 * @param {boolean} log
 * @returns {Projection}
 */
export function projection(min, max, start, end, log) {
  const [low, high] = log ? [Math.log10(min), Math.log10(max)] : [min, max];
  const k = high > low ? (end - start) / (high - low) : 0;
  return { log, k, b: high > low ? start - k * low : (start + end) / 2, min, max };
}

/** @param {Projection} scale @param {number} value */
export function toPixel(scale, value) {
  return scale.k * (scale.log ? Math.log10(value) : value) + scale.b;
}

/** @param {Projection} scale @param {number} pixel */
export function toValue(scale, pixel) {
  const value = (pixel - scale.b) / scale.k;
  return scale.log ? 10 ** value : value;
}

/**
 * Return the index of the first element that is at least `value`.
 * @param {Float64Array} x
 * @param {number} value
 */
export function lowerBound(x, value) {
  let low = 0;
  let high = x.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Return the indexes of the points to draw: those in view, and one neighbour on each side.
 * @param {Strip} strip
 * @param {number} min
 * @param {number} max
 * @returns {[number, number]} First index, and the index after the last.
 */
export function indexesInView(strip, min, max) {
  const { x } = strip;
  let first = Math.max(0, lowerBound(x, min) - 1);
  while (first > 0 && x[first - 1] === x[first]) first--;
  let last = lowerBound(x, max);
  while (last < x.length && x[last] <= max) last++;
  return [first, Math.min(x.length, last + 1)];
}

/**
 * Draw a line. Gaps are never bridged; a point between two gaps becomes a dot.
 * @param {CanvasRenderingContext2D} context
 * @param {Strip} strip
 * @param {View} view
 * @param {Ink} ink
 */
export function drawStrip(context, strip, view, ink) {
  const [first, last] = indexesInView(strip, view.x.min, view.x.max);
  const width = ink.width ? ink.width * view.ratio : 1;
  const dash = ink.dash.map((length) => length * view.ratio);
  context.save();
  context.globalAlpha = ink.alpha ?? 1;
  context.strokeStyle = context.fillStyle = ink.stroke;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.setLineDash(dash);
  // A transparent line is drawn in one piece, since the joints of its chunks would be visible.
  const chunk = width > 1 && context.globalAlpha === 1 ? CHUNK : Infinity;
  const dots = trace(context, strip, view, first, last, chunk, dash.length > 0, width > 1 ? 0 : (ink.column ?? 1));
  for (let i = 0; i < dots.length; i += 2) {
    context.beginPath();
    context.arc(dots[i], dots[i + 1], Math.max(DOT * view.ratio, width), 0, 2 * Math.PI);
    context.fill();
  }
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Strip} strip
 * @param {View} view
 * @param {number} first
 * @param {number} last
 * @param {number} chunk Number of segments after which the path is stroked.
 * @param {boolean} dashed
 * @param {number} width Width of a column, or 0 to draw every point.
 * @returns {number[]} Pixels of points between gaps, as x, y, x, y and so on.
 */
function trace(context, strip, view, first, last, chunk, dashed, width) {
  const { x, y } = strip;
  const { k: kx, b: bx, log: logX } = view.x;
  const { k: ky, b: by, log: logY } = view.y;
  const dots = [];
  let drawn = 0; // points since the last gap
  let segments = 0;
  let length = 0;
  let lastX = 0;
  let lastY = 0;
  let column = NaN;
  let low = 0;
  let high = 0;
  context.lineDashOffset = 0;
  context.beginPath();
  for (let i = first; i < last; i++) {
    const pixelX = kx * (logX ? Math.log10(x[i]) : x[i]) + bx;
    let pixelY = ky * (logY ? Math.log10(y[i]) : y[i]) + by;
    if (!(Number.isFinite(pixelX) && Number.isFinite(pixelY))) {
      if (drawn === 1) dots.push(lastX, lastY);
      drawn = 0;
      column = NaN;
      continue;
    }
    if (pixelY > FAR || pixelY < -FAR) pixelY = Math.sign(pixelY) * FAR;
    if (width) {
      const own = Math.floor(pixelX / width);
      if (own !== column) low = high = pixelY;
      else if (pixelY >= low && pixelY <= high) continue;
      else if (pixelY < low) low = pixelY;
      else high = pixelY;
      column = own;
    }
    if (drawn === 0) context.moveTo(pixelX, pixelY);
    else {
      context.lineTo(pixelX, pixelY);
      if (dashed && chunk !== Infinity) length += Math.hypot(pixelX - lastX, pixelY - lastY);
      if (++segments % chunk === 0) {
        context.stroke();
        context.beginPath();
        context.moveTo(pixelX, pixelY);
        context.lineDashOffset = length;
      }
    }
    drawn++;
    lastX = pixelX;
    lastY = pixelY;
  }
  if (drawn === 1) dots.push(lastX, lastY);
  context.stroke();
  return dots;
}

/**
 * Return the index of the finite point nearest to a value of x, or -1 if no point is finite.
 * @param {Strip} strip
 * @param {number} at
 */
export function nearestIndex({ x, y }, at) {
  let right = lowerBound(x, at);
  let left = right - 1;
  while (right < x.length && !Number.isFinite(y[right])) right++;
  while (left >= 0 && !Number.isFinite(y[left])) left--;
  return right === x.length || (left >= 0 && at - x[left] < x[right] - at) ? left : right;
}

/**
 * Return the line nearest to the cursor, or null if no line is within reach.
 * @template {Strip} S
 * @param {readonly S[]} strips
 * @param {View} view
 * @param {number} pixelX Position in device pixels of the plot area.
 * @param {number} pixelY
 * @param {number} reach Largest distance in device pixels.
 * @returns {{strip: S, distance: number} | null}
 */
export function nearestStrip(strips, view, pixelX, pixelY, reach) {
  /** @type {{strip: S, distance: number} | null} */
  let best = null;
  for (const strip of strips) {
    const distance = distanceTo(strip, view, pixelX, pixelY, reach);
    if (distance <= (best ? best.distance : reach)) best = { strip, distance };
  }
  return best;
}

/**
 * @param {Strip} strip
 * @param {View} view
 * @param {number} pixelX
 * @param {number} pixelY
 * @param {number} reach
 */
function distanceTo(strip, view, pixelX, pixelY, reach) {
  const [first, last] = indexesInView(strip, toValue(view.x, pixelX - reach), toValue(view.x, pixelX + reach));
  let best = Infinity;
  let lastX = NaN;
  let lastY = NaN;
  for (let i = first; i < last; i++) {
    const x = toPixel(view.x, strip.x[i]);
    const y = toPixel(view.y, strip.y[i]);
    const from = Number.isFinite(lastX + lastY) ? [lastX, lastY] : [x, y];
    if (Number.isFinite(x + y)) best = Math.min(best, distanceToSegment(pixelX, pixelY, from[0], from[1], x, y));
    lastX = x;
    lastY = y;
  }
  return best;
}

/** @param {number} px @param {number} py @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
function distanceToSegment(px, py, x0, y0, x1, y1) {
  const dx = x1 - x0;
  const dy = y1 - y0;
  const square = dx * dx + dy * dy;
  const share = square ? Math.min(1, Math.max(0, ((px - x0) * dx + (py - y0) * dy) / square)) : 0;
  return Math.hypot(px - x0 - share * dx, py - y0 - share * dy);
}
