// @ts-check
/** State of the runs table: its rows, columns, selection and opened groups. */
import { computed, effect, signal, untracked } from "@preact/signals";
import { get } from "../../api.js";
import { COLOURS, assign } from "../../colours.js";
import { columnFormat, number } from "../../format.js";
import { tableColumns } from "../../table/columns.js";
import { groupAt } from "../../table/layout.js";
import { Rows, rowsOf } from "../../table/rows.js";
import { NOTHING, replaced } from "../../table/selection.js";
import { patch, view } from "../../url.js";
import { pinned, runs, runsPath } from "./state.js";

const GROUP_COLUMNS = ["name~320p", "@runs", "@value~168", "@interval", "@std", "@lowest", "@highest"];
const MOST_CHILDREN = 100;
/** Maximum number of selected runs that are stored in the URL and drawn in the charts. */
const MOST_IN_URL = 50;
const MOST_AT_STEP = 4;

export const rows = new Rows((offset, limit, abort) => get(runsPath(offset, limit), { signal: abort }));

/** @type {import("@preact/signals").Signal<import("../../table/selection.js").Selection>} */
export const selection = signal(replaced(NOTHING, view.only.peek()));

/** Index of the column with the cursor. */
export const activeColumn = signal(0);

/** Runs of each opened group, by the filter that selects them. */
export const opened = signal(/** @type {Map<string, any[]>} */ (new Map()));

/** Number of changes of the filter, the order or the grouping. After each change, the table starts at its first row. */
export const question = signal(0);

/** Columns of the table in their order. */
export const columns = computed(() => {
  const reply = runs.data.value ?? {};
  const entries = reply.groups ? GROUP_COLUMNS : view.columns.value;
  return tableColumns(entries, reply, atMetrics());
});

/** @type {import("@preact/signals").ReadonlySignal<import("../../table/cells.js").Scale>} */
export const scale = computed(() => {
  const reply = runs.data.value ?? {};
  const { axis = null, band = null, metric = "", heading = "" } = reply;
  return { axis, band, aggregate: heading.replace(`${metric} `, ""), formats: { ...formatsOf(reply), ...formatsAtStep() } };
});

/** Number of runs that are shown below each opened group, by the row number of the group. */
const childCounts = computed(() => {
  rows.version.value;
  const counts = new Map();
  if (!opened.value.size) return counts;
  for (let index = 0; index < rows.total.value; index += 1) {
    const children = opened.value.get(rows.row(index)?.where ?? "");
    if (children) counts.set(index, children.length);
  }
  return counts;
});

export const total = computed(() => [...childCounts.value.values()].reduce((sum, count) => sum + count, rows.total.value));

/**
 * Return the row at a place (row number) of the table, or null if it is not loaded.
 * @param {number} place
 */
export function rowAt(place) {
  const { group, child } = groupAt(place, childCounts.value);
  const row = rows.row(group);
  return child < 0 || !row ? row : opened.value.get(row.where)?.[child] ?? null;
}

/** @param {number} first @param {number} end */
export function want(first, end) {
  const counts = childCounts.peek();
  rows.want(groupAt(first, counts).group, groupAt(Math.max(0, end - 1), counts).group + 1);
}

/** @param {number} place */
export function isOpened(place) {
  return opened.value.has(rowAt(place)?.where ?? "");
}

/**
 * Open or close a group.
 * @param {any} group
 */
export async function toggleGroup(group) {
  const next = new Map(opened.peek());
  if (next.delete(group.where)) {
    opened.value = next;
    return;
  }
  const reply = await get(runsPath(0, MOST_CHILDREN, { where: group.where, group: "" }));
  const children = rowsOf(reply).map((row) => ({ ...row, child: true, id: `${group.where} ${row.key}` }));
  opened.value = new Map([...opened.peek(), [group.where, children]]);
}

/**
 * Return the keys of the runs in a row. A row is one run or a group of runs.
 * @param {any} row
 * @returns {string[]}
 */
export function keysOf(row) {
  return row.members ?? [row.key];
}

/** @param {any} reply */
function formatsOf(reply) {
  const values = reply.fields?.value ?? (reply.groups ?? []).flatMap((/** @type {any} */ group) => [group.mean, group.low, group.high]);
  const own = (reply.columns ?? []).map((/** @type {any} */ { name }, /** @type {number} */ place) => [
    name,
    name.startsWith("params.") ? (/** @type {any} */ value) => number(value, 6) : columnFormat(reply.values[place]),
  ]);
  return { ...Object.fromEntries(own), "@value": columnFormat(values), "@axis": (/** @type {number} */ value) => number(value, 2) };
}

/** Return the formats of the values at the pinned step. */
function formatsAtStep() {
  const values = [...(pinned.value?.values.values() ?? [])];
  return Object.fromEntries(atMetrics().map((metric) => [`@at ${metric}`, columnFormat(values.map((of) => of[metric] ?? null))]));
}

/** Return the metrics that have a value at the pinned step, the main metric first. */
function atMetrics() {
  const main = runs.data.value?.metric;
  const metrics = [...new Set([...(pinned.value?.values.values() ?? [])].flatMap((values) => Object.keys(values)))];
  return metrics.sort((a, b) => Number(b === main) - Number(a === main)).slice(0, MOST_AT_STEP);
}

let lastPath = "";

effect(() => {
  const reply = runs.data.value;
  if (!reply) return;
  untracked(() => {
    const path = runsPath(0, 0);
    if (path !== lastPath) begin();
    lastPath = path;
    rows.start(reply);
    if (reply.groups) assign(rowsOf(reply).slice(0, COLOURS).map(({ key }) => key));
  });
});

function begin() {
  rows.clear();
  opened.value = new Map();
  selection.value = { ...selection.value, cursor: -1, anchor: -1 };
  question.value += 1;
}

/** Keep the first selected runs in the URL, so that a link selects them too. */
effect(() => {
  const keys = [...selection.value.keys].slice(0, MOST_IN_URL);
  untracked(() => patch({ only: keys }, { replace: true }));
});
effect(() => {
  const keys = view.only.value;
  untracked(() => {
    const now = [...selection.value.keys].slice(0, MOST_IN_URL);
    if (now.join() !== keys.join()) selection.value = replaced(selection.value, keys);
  });
});
