// @ts-check
/** Cells of the table, one function per kind of column. */
import { Spark } from "../charts/spark.js";
import { css } from "../colours.js";
import { ago, duration, integer, moment, number, percent, stepValue } from "../format.js";
import { html } from "../parts/html.js";
import { State } from "../parts/state.js";
import { Tag } from "../parts/tag.js";
import { tagCondition } from "./filter_text.js";
import { Interval } from "./interval.js";

/**
 * @typedef {object} Scale Properties of the first reply that all rows share.
 * @property {[number, number] | null} axis
 * @property {[number, number] | null} band
 * @property {string} aggregate Kind of the values of the main metric, such as `best`.
 * @property {Record<string, (value: any) => string>} formats Formats of the numeric columns, by name.
 */

/**
 * @typedef {object} Context
 * @property {Scale} scale
 * @property {number} height Height of a row in pixels.
 * @property {number} colour Colour index of the run, or -1 for grey.
 * @property {Record<string, number> | null} atStep Values at the pinned step.
 * @property {(condition: string) => void} filterBy Adds a condition to the filter.
 */

/** Meaning of the marks after a value. */
export const MARKS = {
  "=": "cannot be distinguished from the best",
  "!": "was measured on different data than the best",
  "~": "was measured on another share or split of the data",
  "*": "has a loss that ended as NaN or infinite",
  "?": "may have been measured on different data, since a run did not record its data",
};

/** @type {Record<string, (row: any, column: any, context: Context) => any>} */
const CELLS = {
  state: (row) => html`<${StateCell} row=${row} />`,
  value: valueCell,
  interval: (row, column, { scale, height }) =>
    html`<${Interval} value=${row.value} low=${row.low} high=${row.high} axis=${scale.axis} band=${scale.band} width=${column.width} height=${height - 1} label=${intervalText(row, scale)} />`,
  spark: (row, column, { colour }) => row.spark && html`<${Spark} data=${row.spark} colour=${css(colour)} />`,
  why: (row) => html`<span class="soft" title=${whyText(row)}>${whyText(row)}</span>`,
  duration: (row) => duration(row.duration_s ?? null),
  time: (row, column) => timeCell(row[column.name] ?? row.cells[column.name]),
  tags: (row, column, { filterBy }) =>
    (row.tags ?? []).map(
      (/** @type {string} */ tag) => html`<button type="button" class="tag-filter" tabindex="-1" key=${tag} title=${`Only runs with the tag ${tag}`} onClick=${() => filterBy(tagCondition(tag))}><${Tag} name=${tag} /></button>`,
    ),
  at: (row, column, { atStep, scale }) => (scale.formats[column.name] ?? number)(atStep?.[column.heading] ?? null),
};

/**
 * Return the content of a cell.
 * @param {any} row
 * @param {import("./columns.js").Column} column
 * @param {Context} context
 */
export function cell(row, column, context) {
  const show = CELLS[column.kind];
  if (show) return show(row, column, context);
  const text = cellText(row, column, context.scale);
  return html`<span title=${text.length > 14 ? text : undefined}>${text}</span>`;
}

/**
 * Return the text of a cell. The text is used for cells without special content, for copies, and for the dialog that
 * shows one row.
 * @param {any} row
 * @param {import("./columns.js").Column} column
 * @param {Scale} scale
 * @returns {string}
 */
export function cellText(row, column, scale) {
  switch (column.kind) {
    case "name":
      return row.name || row.label || "";
    case "state":
      return row.members ? groupText(row) : row.state ?? "";
    case "value":
      return valueText(row, scale) + (row.mark ? ` ${row.mark}` : "");
    case "interval":
      return row.low == null ? "" : `${valueFormat(scale)(row.low)} to ${valueFormat(scale)(row.high)}`;
    case "why":
      return whyText(row);
    case "duration":
      return duration(row.duration_s ?? null);
    case "figure":
      return valueFormat(scale)(row[column.name.slice(1)] ?? null);
    case "tags":
      return (row.tags ?? []).join(", ");
    default:
      return plainText(row.cells?.[column.name] ?? row[column.name], column, scale);
  }
}

/**
 * Return the value of a cell without rounding and marks, for programs. Marks are in a separate column, `@mark`.
 * @param {any} row
 * @param {{name: string, kind: string}} column
 */
export function cellValue(row, { name, kind }) {
  if (name === "name") return row.name || row.label || "";
  if (name === "@runs") return row.n;
  if (kind === "why") return whyText(row);
  if (kind === "tags") return (row.tags ?? []).join(", ");
  const value = row.cells?.[name] ?? row[name.replace(/^@/, "")] ?? null;
  return kind === "time" && typeof value === "number" ? new Date(value * 1000).toISOString() : value;
}

/** @param {any} value @param {import("./columns.js").Column} column @param {Scale} scale */
function plainText(value, column, scale) {
  if (value === null || value === undefined) return "";
  if (column.kind === "time" && typeof value === "number") return moment(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return (scale.formats[column.name] ?? number)(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** @param {any} row @param {any} column @param {Context} context */
function valueCell(row, column, { scale }) {
  const mark = /** @type {string} */ (row.mark ?? "");
  return html`<span title=${valueTip(row, scale)}>${valueText(row, scale)}</span
    ><span class="mark soft" title=${mark && marksText(mark)} aria-label=${mark ? marksText(mark) : undefined} role=${mark ? "img" : undefined}>${mark}</span>`;
}

/** @param {string} marks */
export function marksText(marks) {
  return [...marks].map((mark) => /** @type {Record<string, string>} */ (MARKS)[mark] ?? "").filter(Boolean).join("; ");
}

/** @param {any} row @param {Scale} scale */
function valueText(row, scale) {
  if (row.value === null || row.value === undefined) return "";
  const text = valueFormat(scale)(row.value);
  return row.members && row.low !== null ? `${text} ± ${valueFormat(scale)((row.high - row.low) / 2)}` : text;
}

/** @param {Scale} scale */
function valueFormat({ formats }) {
  return formats["@value"] ?? number;
}

/** @param {any} row @param {Scale} scale */
function valueTip(row, { aggregate }) {
  if (row.members) return `mean of ${integer(row.n)} runs`;
  return row.value_step == null ? aggregate : `${aggregate}, at step ${stepValue(row.value_step)}`;
}

/** @param {any} row @param {Scale} scale */
function intervalText(row, scale) {
  const format = valueFormat(scale);
  return row.low == null ? format(row.value) : `${format(row.value)}, 95 % interval ${format(row.low)} to ${format(row.high)}`;
}

/** Return the number of runs with a value and the number of runs without, as in `n=4, 1 failed`. @param {any} row */
export function groupText({ n, ended_text: rest }) {
  return [`n=${integer(n)}`, rest].filter(Boolean).join(", ");
}

/** @param {{row: any}} props */
function StateCell({ row }) {
  if (row.members) return html`<span class="soft">${groupText(row)}</span>`;
  return html`<${State} state=${row.state} />${row.state === "running" && row.progress != null && html`<span class="soft"> ${percent(row.progress)}</span>`}`;
}

/** Return the part of a label that distinguishes runs with the same name. @param {any} row */
export function distinction({ name, label }) {
  return label && label !== name ? label.replace(`${name} `, "") : "";
}

/** Return the reason why a run ended, or the progress of a running run. @param {any} row */
export function whyText(row) {
  // The state is already shown in another column.
  if (row.state !== "running") return row.ended_text === row.state ? "" : (row.ended_text ?? "").replace(`${row.state}: `, "");
  const done = row.progress == null ? "" : `${percent(row.progress)} done`;
  const left = row.seconds_left == null ? "" : `${duration(row.seconds_left)} left`;
  return [done, left].filter(Boolean).join(", ") || (row.ended_text ?? "");
}

/** @param {number | null | undefined} seconds */
function timeCell(seconds) {
  return seconds == null ? "" : html`<time title=${moment(seconds)}>${ago(seconds)}</time>`;
}
