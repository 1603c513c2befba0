// @ts-check
import { useState } from "preact/hooks";
import { column, integer, plural } from "../../format.js";
import { Button } from "../../parts/button.js";
import { html } from "../../parts/html.js";
import { List, Loaded } from "./blocks.js";
import { blobAddress, runPath } from "./state.js";

const PAGE = 50;

/**
 * Logged table, shown one page of rows at a time.
 * @param {{entry: any, name: string}} properties
 */
export function MediaTable({ entry: { sha, caption }, name }) {
  const [from, setFrom] = useState(0);
  return html`<${Loaded} path=${runPath("media", { table: sha, from, limit: PAGE })}>${(/** @type {any} */ data) => {
    const count = data.columns[0]?.values.length ?? 0;
    const columns = data.columns.map((/** @type {any} */ field, /** @type {number} */ index) => [field.name, cellOf(field, index, sha, from), field.kind === "number" ? "number" : "wrap"]);
    const pages = data.rows > PAGE && html`<${Button} quiet disabled=${from === 0} onClick=${() => setFrom(Math.max(0, from - PAGE))}>Back</${Button}>rows ${integer(from + 1)} to ${integer(from + count)} of ${integer(data.rows)}<${Button} quiet disabled=${from + count >= data.rows} onClick=${() => setFrom(from + PAGE)}>Next</${Button}>`;
    return html`<figure class="media-table">
      <${List} label=${`Rows of ${name}`} columns=${columns} entries=${Array(count).fill(null)} />
      <figcaption class="soft small">${caption} ${pages || plural(data.rows, "row")}</figcaption>
    </figure>`;
  }}</${Loaded}>`;
}

/**
 * Return a function that draws the cells of a column.
 * @param {any} field
 * @param {number} place
 * @param {string} sha
 * @param {number} from
 */
function cellOf({ name, kind, values }, place, sha, from) {
  if (kind !== "image") {
    const texts = kind === "number" ? column(values, 5) : values.map((/** @type {any} */ value) => (value === null ? "" : String(value)));
    return (/** @type {null} */ _, /** @type {number} */ row) => texts[row];
  }
  return (/** @type {null} */ _, /** @type {number} */ row) => values[row] && html`<img class="cell-image" loading="lazy" alt=${`${name} of row ${from + row + 1}`} src=${blobAddress(sha, { row: from + row, column: place })} />`;
}
