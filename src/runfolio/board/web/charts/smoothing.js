// @ts-check
import { html } from "../parts/html.js";

const STEPS = [0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99];

/**
 * Return the next preset of smoothing above or below a value.
 * @param {number} value
 * @param {1 | -1} direction
 */
export function nextSmoothing(value, direction) {
  const next = direction > 0 ? STEPS.find((step) => step > value) : STEPS.findLast((step) => step < value);
  return next ?? value;
}

/**
 * @param {{value: number, change: (value: number) => void, explained?: boolean}} props
 */
export function SmoothingSlider({ value, change, explained = false }) {
  return html`<label class="smoothing">
      <span class="small soft">Smoothing</span>
      <input type="range" min="0" max="0.99" step="0.01" value=${value} onInput=${(/** @type {any} */ event) => change(Number(event.currentTarget.value))} />
      <output class="smoothing-value">${value ? value : "off"}</output>
    </label>
    ${explained &&
    html`<p class="small soft">Moving average, as in TensorBoard. The slider sets the weight of the previous points. A curve with fewer points than the longest curve of its run is smoothed less. Pale: logged values.</p>`}`;
}
