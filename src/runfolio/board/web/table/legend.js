// @ts-check
/** Explanation of the marks and of the band, for those that are on the page. */
import { html } from "../parts/html.js";
import { MARKS } from "./cells.js";

/**
 * @param {{marks: Set<string>, hasBand: boolean, notes: string[]}} props `notes` are sentences of the server about the
 *   method.
 */
export function Legend({ marks, hasBand, notes }) {
  const shown = Object.entries(MARKS).filter(([mark]) => marks.has(mark));
  return html`<div class="legend soft small">
    ${hasBand && html`<span><span class="band-key" aria-hidden="true"></span> interval of the best run</span>`}
    ${shown.map(([mark, words]) => html`<span key=${mark}><b>${mark}</b> ${words}</span>`)}
    ${notes.length > 0 && html`<details><summary>How this was computed</summary><ul>${notes.map((note) => html`<li key=${note}>${note}</li>`)}</ul></details>`}
  </div>`;
}
