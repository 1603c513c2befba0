// @ts-check
/** Actions on the selected runs. */
import { plural } from "../format.js";
import { Button } from "../parts/button.js";
import { html } from "../parts/html.js";

/**
 * @param {{count: number, archivedOnly: boolean, readOnly: boolean, act: (action: string, event: any) => void,
 *   only: boolean, children?: any}} props
 */
export function BulkBar({ count, archivedOnly, readOnly, act, only, children }) {
  const button = (/** @type {string} */ action, /** @type {string} */ text, /** @type {any} */ props = {}) =>
    html`<${Button} onClick=${(/** @type {any} */ event) => act(action, event)} ...${props}>${text}</${Button}>`;
  return html`<div class="bulk table-tools" role="toolbar" aria-label="Selected runs">
    <b>${plural(count, "run")} selected</b>
    ${button("only", only ? "Draw the best" : "Draw these", { "aria-pressed": only })}
    ${!readOnly && [
      count === 1 && button("name", "Rename"),
      button("tags", "Tag", { title: "e" }),
      button("notes", "Note", { title: "n" }),
      archivedOnly ? button("unarchive", "Take out of the archive", { title: "a" }) : button("archive", "Archive", { title: "a" }),
      button("delete", "Delete", { danger: true, title: "Del" }),
    ]}
    <span class="spread"></span>
    ${children}
    ${button("clear", "Clear", { quiet: true, title: "Escape" })}
  </div>`;
}
