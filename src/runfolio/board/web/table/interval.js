// @ts-check
/**
 * Draws the interval of a value in its row. All rows have the same scale. A band behind the interval shows the
 * interval of the best run.
 */
import { html } from "../parts/html.js";

const PADDING = 10;

/**
 * Return a function that maps a value to its pixel in the column.
 * @param {[number, number]} axis Lowest and highest value of the scale.
 * @param {number} width Width of the column in pixels.
 * @returns {(value: number) => number}
 */
export function scale([low, high], width) {
  const perUnit = high > low ? (width - 2 * PADDING) / (high - low) : 0;
  return (value) => {
    const place = perUnit ? PADDING + (value - low) * perUnit : width / 2;
    return Math.min(width - 2, Math.max(2, place));
  };
}

/**
 * @param {{value: number | null, low: number | null, high: number | null, axis: [number, number],
 *   band: [number, number] | null, width: number, height: number, label: string}} props
 */
export function Interval({ value, low, high, axis, band, width, height, label }) {
  const x = scale(axis, width);
  const middle = height / 2;
  const isKnown = typeof value === "number" && Number.isFinite(value);
  return html`<svg class="interval" width=${width} height=${height} role="img" aria-label=${isKnown ? label : "no value"}>
    ${band && html`<rect class="band" x=${x(band[0])} width=${Math.max(2, x(band[1]) - x(band[0]))} y="0" height=${height} />`}
    ${isKnown && low !== null && high !== null && html`<line x1=${x(low)} x2=${x(high)} y1=${middle} y2=${middle} />`}
    ${isKnown && html`<circle cx=${x(/** @type {number} */ (value))} cy=${middle} r="3.5" />`}
  </svg>`;
}
