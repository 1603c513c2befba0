// @ts-check
/** Toolbar above the table. It shows the number of runs, and has menus for groups, columns and copies. */
import { plural } from "../../format.js";
import { Button } from "../../parts/button.js";
import { html } from "../../parts/html.js";
import { Menu, MenuItem } from "../../parts/menu.js";
import { changed } from "../../table/columns.js";
import { GroupMenu } from "../../table/group_menu.js";
import { Picker } from "../../table/picker.js";
import { patch, view } from "../../url.js";
import { listed, wantListing } from "./listing.js";
import { runs } from "./state.js";
import { copyTable, groupBy } from "./table_actions.js";
import { columns, rows } from "./table_state.js";

/** @param {{narrow: boolean}} props */
export function Toolbar({ narrow }) {
  const reply = runs.data.value;
  const noun = reply?.groups ? "group" : "run";
  return html`<div class="table-tools" role="toolbar" aria-label="Table">
    <span class="soft" aria-live="polite">${plural(rows.total.value, noun)}</span>
    <span class="spread"></span>
    <${Button} quiet aria-pressed=${view.archived.value} onClick=${() => patch({ archived: !view.archived.value })}>Include archived</${Button}>
    <span onPointerDown=${wantListing} onKeyDown=${wantListing}>
      <${GroupMenu} group=${view.group.value} settings=${settings()} choose=${groupBy} />
      ${!narrow && !reply?.groups && html`<${Menu} label="Columns" align="right" class="columns-menu"><${Picker} listed=${listed.value} shown=${columns.value} change=${changeColumns} reset=${() => patch({ columns: [] })} /></${Menu}>`}
    </span>
    <${CopyMenu} />
  </div>`;
}

/** Menu of the formats in which the table can be copied. */
export function CopyMenu() {
  return html`<${Menu} label="Copy" title="Copy the table" align="right">
    ${(/** @type {() => void} */ close) =>
      /** @type {const} */ (["Markdown", "CSV", "LaTeX"]).map(
        (format) => html`<${MenuItem} key=${format} onClick=${() => (close(), copyTable(format))}>${format}</${MenuItem}>`,
      )}
  </${Menu}>`;
}

/**
 * Change the columns of the table and, if `sort` is given, the order of the rows.
 * @param {Parameters<typeof changed>[1]} change
 * @param {string} [sort]
 */
export function changeColumns(change, sort = view.sort.peek()) {
  patch({ columns: changed(columns.peek(), change), sort }, { replace: Boolean(change.width) });
}

/** Return the settings that vary, including those by which runs are grouped. */
function settings() {
  const names = listed.value.filter((/** @type {any} */ column) => column.group === "params" && column.varies).map((/** @type {any} */ column) => column.name);
  const grouped = view.group.value && !view.group.value.startsWith("-") ? view.group.value.split(",") : [];
  return [...new Set([...grouped, ...names])];
}
