// @ts-check
import { html } from "../../parts/html.js";
import { runs } from "./state.js";

/** Table of the runs. */
export function RunsTable() {
  return html`<p>${runs.data.value?.total} runs</p>`;
}
