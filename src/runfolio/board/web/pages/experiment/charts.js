// @ts-check
import { html } from "../../parts/html.js";

/** Charts of the drawn runs. */
export function ExperimentCharts() {
  return html`<div></div>`;
}
