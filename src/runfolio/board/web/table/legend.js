// @ts-check
/** Explains the marks and the band that the table shows. */
import { html } from "../parts/html.js";
import { MARKS } from "./cells.js";

/**
 * @param {{marks: Set<string>, hasBand: boolean, hasGroups: boolean, notes: string[]}} props `notes` are sentences from
 *   the server about the method.
 */
export function Legend({ marks, hasBand, hasGroups, notes }) {
  const shown = Object.entries(MARKS).filter(([mark]) => marks.has(mark));
  return html`<div class="legend soft small">
    ${hasBand && html`<span><span class="band-key" aria-hidden="true"></span> interval of the best ${hasGroups ? "group" : "run"}</span>`}
    ${hasGroups && html`<span><b>±</b> half the width of the 95 % interval of the mean</span>`}
    ${shown.map(([mark, words]) => html`<span key=${mark}><b>${mark}</b> ${words}</span>`)}
    ${notes.length > 0 && html`<details><summary>How this was computed</summary><ul>${notes.map((note) => html`<li key=${note}>${note}</li>`)}</ul></details>`}
  </div>`;
}
