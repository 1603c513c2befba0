// @ts-check
/** Bar of actions for the selected runs. */
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
    ${button("only", only ? "Draw the best runs" : "Draw these runs", { "aria-pressed": only })}
    ${!readOnly && [
      count === 1 && button("name", "Rename"),
      button("tags", "Tag", { title: "Key: e" }),
      button("notes", "Note", { title: "Key: n" }),
      archivedOnly ? button("unarchive", "Unarchive", { title: "Key: a" }) : button("archive", "Archive", { title: "Key: a" }),
      button("delete", "Delete", { danger: true, title: "Key: Del" }),
    ]}
    <span class="spread"></span>
    ${children}
    ${button("clear", "Clear", { quiet: true, title: "Key: Escape" })}
  </div>`;
}
