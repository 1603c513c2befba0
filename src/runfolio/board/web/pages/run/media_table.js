// @ts-check
import { useState } from "preact/hooks";
import { address, useResource } from "../../api.js";
import { column, integer, plural } from "../../format.js";
import { Button } from "../../parts/button.js";
import { Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { blobPath, runPath } from "./state.js";

const PAGE = 50;

/**
 * Logged table, a page of rows at a time.
 * @param {{entry: any, name: string}} properties
 */
export function MediaTable({ entry, name }) {
  const [from, setFrom] = useState(0);
  const page = useResource(() => runPath("media", { table: entry.sha, from, limit: PAGE }), { follow: null }, [entry.sha, from]);
  const data = page.data.value;
  if (!data) return page.error.value && html`<${Failure} error=${page.error.value} retry=${page.refresh} />`;
  const texts = data.columns.map(textsOf);
  const count = data.columns[0]?.values.length ?? 0;
  return html`<div class="media-table">
    ${entry.caption && html`<p class="soft small">${entry.caption}</p>`}
    <div class="scroll" role="region" tabindex="0" aria-label=${`Rows of ${name}`}><table class="list">
      <thead><tr>${data.columns.map((/** @type {any} */ field) => html`<th scope="col" class=${field.kind === "number" ? "number" : ""}>${field.name}</th>`)}</tr></thead>
      <tbody>${Array.from({ length: count }, (_, row) => html`<tr key=${from + row}>${data.columns.map((/** @type {any} */ field, /** @type {number} */ index) => html`<td class=${field.kind === "number" ? "number" : "wrap"}>${field.kind === "image" ? field.values[row] && html`<img class="cell-image" loading="lazy" alt=${`${field.name} of row ${from + row + 1}`} src=${address(blobPath(entry.sha, { row: from + row, column: index }))} />` : texts[index][row]}</td>`)}</tr>`)}</tbody>
    </table></div>
    ${data.rows > PAGE
      ? html`<p class="pages soft"><${Button} quiet disabled=${from === 0} onClick=${() => setFrom(Math.max(0, from - PAGE))}>Back</${Button}>rows ${integer(from + 1)} to ${integer(from + count)} of ${integer(data.rows)}<${Button} quiet disabled=${from + count >= data.rows} onClick=${() => setFrom(from + PAGE)}>Next</${Button}></p>`
      : html`<p class="soft small">${plural(data.rows, "row")}</p>`}
  </div>`;
}

/** @param {{kind: string, values: any[]}} field @returns {string[]} */
function textsOf({ kind, values }) {
  if (kind === "number") return column(values, 5);
  return values.map((value) => (value === null ? "" : String(value)));
}
