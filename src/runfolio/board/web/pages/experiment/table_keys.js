// @ts-check
/** Keys of the runs table. They move the cursor, select rows and change runs. */
import { useKeys } from "../../keys.js";
import { readOnly } from "../../store.js";
import { extended, moved, range, toggled } from "../../table/selection.js";
import { patch } from "../../url.js";
import { editing, save, select, targets, trash } from "./table_actions.js";
import { activeColumn, columns, keysOf, rowAt, rows, selection, toggleGroup, total } from "./table_state.js";

const PAGE = 12;

/**
 * Bind the keys of the table.
 * @param {{current: HTMLElement | null}} scroller
 */
export function useTableKeys(scroller) {
  const current = () => rowAt(selection.peek().cursor);
  useKeys("Table", {
    j: { does: "Next row", run: () => go(1, scroller) },
    k: { does: "Previous row", run: () => go(-1, scroller) },
    x: { does: "Select the row", run: () => toggle(selection.peek().cursor) },
    X: { does: "Select from the last selected row to here", run: () => selectTo(selection.peek().cursor) },
    Enter: { does: "Open the run or group", run: () => open(selection.peek().cursor) },
    e: { does: "Edit the tags", run: () => startEdit("tags", targets(current()), scroller) },
    n: { does: "Edit the note", run: () => startEdit("notes", targets(current()), scroller) },
    F2: { does: "Rename the run", run: () => startEdit("name", targets(current()).slice(0, 1), scroller) },
    a: { does: "Archive or unarchive", run: () => archive(targets(current())) },
    Del: { does: "Move to the trash", run: () => !readOnly.peek() && targets(current()).length && trash(targets(current())) },
    Escape: { does: "Clear the selection", run: () => select([]) },
  });
}

/**
 * Handle a key while the table has the focus.
 * @param {KeyboardEvent} event
 * @param {{current: HTMLElement | null}} scroller
 */
export function onGridKey(event, scroller) {
  if (event.target !== event.currentTarget || event.altKey || event.metaKey) return;
  const by = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE }[event.key];
  if (by) {
    go(by, scroller);
    if (event.shiftKey) selectTo(selection.peek().cursor);
  } else if (event.ctrlKey && (event.key === "Home" || event.key === "End")) go(event.key === "Home" ? -Infinity : Infinity, scroller);
  else if (!moveColumn(event.key, scroller)) return;
  event.preventDefault();
  event.stopPropagation();
}

/** @param {string} key @param {{current: HTMLElement | null}} scroller */
function moveColumn(key, scroller) {
  const last = columns.peek().length - 1;
  const next = { ArrowLeft: activeColumn.peek() - 1, ArrowRight: activeColumn.peek() + 1, Home: 0, End: last }[key];
  if (next === undefined) return false;
  activeColumn.value = Math.min(last, Math.max(0, next));
  const all = columns.peek();
  const pinned = all.filter((column) => column.pinned).reduce((sum, column) => sum + column.width, 0);
  const left = all.slice(0, activeColumn.value).reduce((sum, column) => sum + column.width, 0);
  const element = scroller.current;
  if (!element || all[activeColumn.value].pinned) return true;
  const right = left + all[activeColumn.value].width;
  if (left < element.scrollLeft + pinned) element.scrollLeft = left - pinned;
  else if (right > element.scrollLeft + element.clientWidth) element.scrollLeft = right - element.clientWidth;
  return true;
}

/** Move the cursor, and scroll until its row is visible. @param {number} by @param {{current: HTMLElement | null}} scroller */
function go(by, scroller) {
  selection.value = moved(selection.peek(), by, total.peek());
  const element = scroller.current;
  const body = element?.querySelector("tbody");
  if (!element || !body) return;
  const height = parseFloat(getComputedStyle(element).getPropertyValue("--table-row"));
  const head = element.querySelector("thead")?.offsetHeight ?? 0;
  const top = selection.peek().cursor * height;
  if (top < element.scrollTop) element.scrollTop = top;
  else if (top + height + head > element.scrollTop + element.clientHeight) element.scrollTop = top + height + head - element.clientHeight;
}

/** @param {number} place */
export function toggle(place) {
  const row = rowAt(place);
  if (row) selection.value = toggled(selection.peek(), place, keysOf(row));
}

/** @param {number} place */
export async function selectTo(place) {
  if (place < 0) return;
  const [first, last] = range(selection.peek(), place);
  const shown = Array.from({ length: last - first + 1 }, (_, index) => rowAt(first + index));
  const all = shown.every(Boolean) ? shown : await rows.range(first, last + 1);
  selection.value = extended(selection.peek(), place, all.flatMap(keysOf));
}

/** @param {number} place */
export function pointAt(place) {
  selection.value = { ...selection.peek(), cursor: place };
}

/** @param {number} place */
export function open(place) {
  const row = rowAt(place);
  if (!row) return;
  if (row.members) toggleGroup(row);
  else patch({ page: "run", run: row.key, experiment: null });
}

/** @param {any[]} chosen */
export function archive(chosen) {
  if (readOnly.peek() || !chosen.length) return;
  save(chosen, { archived: !chosen.every(({ archived }) => archived) });
}

/**
 * Open the form that edits one field. The form appears at the row with the cursor, or at `anchor` if it is given.
 * @param {"name"|"tags"|"notes"} field
 * @param {any[]} chosen
 * @param {{current: HTMLElement | null}} scroller
 * @param {Element | null} [anchor]
 */
export function startEdit(field, chosen, scroller, anchor = scroller.current?.querySelector("tr.cursor .name") ?? null) {
  if (readOnly.peek() || !chosen.length) return;
  const box = (anchor ?? scroller.current?.querySelector("thead"))?.getBoundingClientRect();
  if (box) editing.value = { field, rows: chosen, place: box };
}
