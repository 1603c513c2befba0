// @ts-check
/** Computes limits and ticks of axes. */
import { group } from "../format.js";

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const DAY = 86400;

/**
 * Return a step of 1, 2 or 5 times a power of ten that divides a span into about `parts` parts.
 * @param {number} span
 * @param {number} parts
 */
export function niceStep(span, parts) {
  const rough = span / Math.max(1, parts);
  const power = 10 ** Math.floor(Math.log10(rough));
  const share = rough / power;
  return power * (share > 7 ? 10 : share > 3.5 ? 5 : share > 1.5 ? 2 : 1);
}

/** @param {number} span @param {number} parts */
function timeStep(span, parts) {
  const rough = span / Math.max(1, parts);
  if (rough < 1) return niceStep(span, parts);
  if (rough > DAY) return Math.ceil(rough / DAY) * DAY;
  return TIME_STEPS.find((step) => step >= rough) ?? DAY;
}

/**
 * Return limits of an axis that include all values from `low` to `high`.
 * @param {number} low
 * @param {number} high
 * @param {{log?: boolean, parts?: number}} options
 * @returns {[number, number]}
 */
export function niceLimits(low, high, { log = false, parts = 5 } = {}) {
  if (!(low <= high)) return log ? [1, 10] : [0, 1];
  if (log) {
    const edge = (Math.log10(high) - Math.log10(low)) * 0.04 || 0.1;
    return [low / 10 ** edge, high * 10 ** edge];
  }
  if (low === high) {
    const half = Math.abs(low) / 2 || 0.5;
    return [low - half, high + half];
  }
  const step = niceStep(high - low, parts);
  const snapped = /** @type {[number, number]} */ ([Math.floor(low / step) * step, Math.ceil(high / step) * step]);
  return snapped.every(Number.isFinite) ? snapped : [low, high];
}

/**
 * Return the ticks of an axis.
 * @param {number} min
 * @param {number} max
 * @param {{parts: number, log?: boolean, time?: boolean, whole?: boolean}} options `whole` allows only whole numbers.
 * @returns {{at: number[], step: number}} A step of 0 marks logarithmic ticks.
 */
export function ticks(min, max, { parts, log = false, time = false, whole = false }) {
  if (log && max / min >= 10) return { at: logTicks(min, max, parts), step: 0 };
  const wanted = time ? timeStep(max - min, parts) : niceStep(max - min, parts);
  const step = whole && max - min >= 1 ? Math.max(1, wanted) : wanted;
  const at = [];
  const tolerance = step * 1e-6;
  for (let i = Math.ceil((min - tolerance) / step); i * step <= max + tolerance && at.length < 50; i++) {
    at.push(Number((i * step).toPrecision(12)));
  }
  return { at, step };
}

/** @param {number} min @param {number} max @param {number} parts */
function logTicks(min, max, parts) {
  const first = Math.floor(Math.log10(min));
  const last = Math.ceil(Math.log10(max));
  const every = Math.max(1, Math.ceil((last - first) / (parts + 1)));
  const factors = last - first <= 2 ? [1, 2, 5] : [1];
  const at = [];
  for (let power = first; power <= last; power += every) {
    for (const factor of factors) {
      const value = Number(`${factor}e${power}`);
      if (value >= min && value <= max) at.push(value);
    }
  }
  return at;
}

/**
 * Return the texts of ticks, with as many decimals as their step needs.
 * @param {readonly number[]} at
 * @param {number} step
 * @param {boolean} [time] Values are seconds.
 * @returns {string[]}
 */
export function tickTexts(at, step, time = false) {
  if (time) return at.map((value) => timeText(value, step));
  const most = Math.max(0, ...at.map(Math.abs));
  if (step === 0) return at.map((value) => powerText(value));
  if (most >= 1e7 || (most > 0 && most < 1e-3)) return at.map((value) => (value ? powerText(value) : "0"));
  return at.map((value) => group((Math.abs(value) < step * 1e-6 ? 0 : value).toFixed(decimalsOf(step))));
}

/** @param {number} step */
function decimalsOf(step) {
  return Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
}

/** @param {number} value */
function powerText(value) {
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e6) return group(value.toFixed(decimalsOf(size)));
  return Number(value.toPrecision(6)).toExponential().replace("e+", "e");
}

/** @param {number} seconds @param {number} step */
function timeText(seconds, step) {
  if (!seconds) return "0";
  if (step < 60 && seconds < 60) return `${seconds.toFixed(decimalsOf(step))} s`;
  const days = Math.floor(seconds / DAY);
  const hours = Math.floor((seconds % DAY) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = Math.round(seconds % 60);
  const parts = [days && `${days} d`, hours && `${hours} h`, minutes && `${minutes} min`, rest && `${rest} s`];
  return parts.filter(Boolean).slice(0, 2).join(" ");
}
