// @ts-check
/** Actions of the table. They change names, tags and notes, archive and delete runs, and copy the table. */
import { signal } from "@preact/signals";
import { post } from "../../api.js";
import { bytes, plural } from "../../format.js";
import { copyText } from "../../parts/copy.js";
import { say, sayError } from "../../parts/toast.js";
import { edit } from "../../store.js";
import { cellText, cellValue } from "../../table/cells.js";
import { asCsv, asLatex, asMarkdown } from "../../table/copy_text.js";
import { isNumeric } from "../../table/header.js";
import { replaced } from "../../table/selection.js";
import { drawn, runs } from "./state.js";
import { columns, keysOf, opened, rows, scale, selection, total } from "./table_state.js";
import { patch, view } from "../../url.js";

const MOST_COPIED = 500;
const MOST_SELECTED = 1000;
const FORMATS = { Markdown: asMarkdown, CSV: asCsv, LaTeX: asLatex };

/** Open form that edits runs, or null. @type {import("@preact/signals").Signal<import("../../table/edit_box.js").Edit | null>} */
export const editing = signal(null);

/** Select only these runs. @param {string[]} keys */
export function select(keys) {
  selection.value = replaced(selection.peek(), keys);
}

/** Return the loaded rows, including the runs of opened groups. */
function loaded() {
  return [...rows.loaded(), ...[...opened.peek().values()].flat()];
}

/**
 * Return the runs to which an action applies: the selected runs, or else the runs of a row.
 * @param {any} [row]
 * @returns {any[]}
 */
export function targets(row) {
  const keys = selection.peek().keys.size ? [...selection.peek().keys] : row ? keysOf(row) : [];
  const known = new Map(loaded().map((other) => [other.key, other]));
  return keys.map((key) => known.get(key) ?? { key, name: key, tags: [] });
}

/**
 * Change runs, and show a message that offers to undo the change.
 * @param {any[]} changedRows
 * @param {Record<string, any>} set
 */
export async function save(changedRows, set) {
  try {
    const { changed, undo } = await edit(changedRows.map(({ key }) => key), set);
    if (set.archived) deselect(changedRows);
    runs.refresh();
    say(`${described(set)} ${nameOf(changedRows, changed)}.`, { undo: () => undo().then(runs.refresh) });
  } catch (error) {
    sayError(/** @type {any} */ (error));
  }
}

/**
 * Move runs to the trash. The server refuses to move running runs.
 * @param {any[]} chosen
 */
export async function trash(chosen) {
  try {
    const { undo, moved, refused } = await post("api/trash", { action: "put", runs: chosen.map(({ key }) => key) });
    select([]);
    runs.refresh();
    const left = refused.length ? ` ${plural(refused.length, "running run was", "running runs were")} not moved.` : "";
    const size = moved.reduce((/** @type {number} */ sum, /** @type {any} */ entry) => sum + entry.bytes, 0);
    say(`Moved ${nameOf(chosen, moved.length)} to the trash (${bytes(size)}).${left}`, { undo: () => post("api/undo", { undo }).then(runs.refresh) });
  } catch (error) {
    sayError(/** @type {any} */ (error));
  }
}

/**
 * Copy the shown columns of the selected runs or, without a selection, of the first rows.
 * @param {keyof typeof FORMATS} format
 */
export async function copyTable(format) {
  const chosen = selection.peek().keys.size ? targets() : await rows.range(0, Math.min(MOST_COPIED, rows.total.peek()));
  const isCsv = format === "CSV";
  /** @type {(row: any, column: any) => any} */
  const value = (row, column) => (isCsv ? cellValue(row, column) : cellText(row, column, scale.peek()));
  // Empty columns would only widen the copied table.
  const shown = columns.peek().flatMap((column) => (isCsv ? plainColumns(column) : [column]));
  const filled = shown.filter((column) => column.kind !== "spark" && chosen.some((row) => ![null, ""].includes(value(row, column))));
  const text = FORMATS[format]({
    headings: filled.map(({ heading }) => heading),
    numeric: filled.map(isNumeric),
    rows: chosen.map((row) => filled.map((column) => value(row, column))),
  });
  const isCopied = await copyText(text);
  const of = chosen.length < total.peek() && !selection.peek().keys.size ? ` of ${plural(total.peek(), "row")}` : "";
  say(isCopied ? `Copied ${plural(chosen.length, "row")}${of} as ${format}.` : "The browser does not allow this page to copy.", { bad: !isCopied });
}

/** Return the columns of a CSV file that stand for a column of the table. @param {any} column */
function plainColumns(column) {
  const part = (/** @type {string} */ name, /** @type {string} */ heading) => ({ name, heading, kind: "number" });
  if (column.kind === "interval") return [part("@low", "95 % interval, low"), part("@high", "95 % interval, high")];
  return column.kind === "value" ? [column, part("@mark", "mark")] : [column];
}

/** Select all runs of the table, up to a limit. If runs are already selected, clear the selection. */
export async function selectAll() {
  if (selection.peek().keys.size) {
    select([]);
    return;
  }
  const all = await rows.range(0, MOST_SELECTED);
  select(all.flatMap(keysOf));
  if (rows.total.peek() > MOST_SELECTED) say(`Selected the first ${plural(MOST_SELECTED, "run")}.`);
}

/**
 * Draw a run in the charts, or remove it from the charts.
 * @param {string} key
 */
export function toggleDrawn(key) {
  const keys = drawn.peek();
  if (keys.includes(key) && selection.peek().keys.has(key)) deselect([{ key }]);
  patch({ show: keys.includes(key) ? keys.filter((other) => other !== key) : [...keys, key] });
}

/** @param {string} sort */
export function sortBy(sort) {
  patch({ sort });
}

/** @param {string} group */
export function groupBy(group) {
  patch({ group, sort: group === view.group.peek() ? view.sort.peek() : "" });
}

/**
 * Remove runs from the selection. An action must not affect a run that the table does not show.
 * @param {any[]} removed
 */
function deselect(removed) {
  const keys = new Set(removed.map(({ key }) => key));
  select([...selection.peek().keys].filter((key) => !keys.has(key)));
}

/** @param {Record<string, any>} set */
function described(set) {
  if ("name" in set) return "Renamed";
  if ("notes" in set) return set.notes ? "Saved the note of" : "Removed the note of";
  if ("archived" in set) return set.archived ? "Archived" : "Unarchived";
  return set.add_tags ? `Tagged with ${set.add_tags.join(", ")}:` : `Removed ${set.remove_tags.join(", ")} from`;
}

/** @param {any[]} chosen @param {number} count */
function nameOf(chosen, count) {
  return chosen.length === 1 && count === 1 ? chosen[0].name || chosen[0].label || "one run" : plural(count, "run");
}
