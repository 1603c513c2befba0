// @ts-check
/** Table of runs. Only the visible rows and columns are drawn. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../parts/html.js";
import { HeaderCell } from "./header.js";
import { Row } from "./row.js";
import { useViewport } from "./viewport.js";

/**
 * @typedef {object} TableProps
 * @property {import("./columns.js").Column[]} columns
 * @property {number} total Number of rows.
 * @property {(index: number) => any} rowAt Returns the row at an index, or null if it is not loaded.
 * @property {(first: number, end: number) => void} want Called with the rows on screen.
 * @property {number} version Changes when rows change.
 * @property {number} height Height of a row in pixels.
 * @property {import("./cells.js").Scale} scale
 * @property {string} sort
 * @property {(sort: string) => void} sortBy
 * @property {(change: any) => void} change Changes the columns.
 * @property {(column: import("./columns.js").Column) => "" | "-"} firstDirection
 * @property {import("./row.js").Shared} shared
 * @property {(index: number) => boolean} isOpened Returns true if the group at an index is opened.
 * @property {boolean} narrow
 * @property {boolean} busy True while other rows are loaded.
 * @property {string} label
 * @property {{current: HTMLElement | null}} scroller
 * @property {(event: KeyboardEvent) => void} onKeyDown
 * @property {any} selectAll Checkbox before the heading of the names.
 * @property {any} [suffixes] Texts after the headings, by column.
 */

const HEAD = 34;

/** @param {TableProps} props */
export function Table(props) {
  const { columns, total, rowAt, want, version, height, scale, shared, narrow, scroller } = props;
  const pinned = columns.findLastIndex((column) => column.pinned) + 1;
  const lefts = columns.map((column, index) => (column.pinned ? sum(columns.slice(0, index)) : null));
  const loose = columns.slice(pinned);
  const view = useViewport(scroller, { total, row: height, head: HEAD, pinned: sum(columns.slice(0, pinned)), widths: loose.map(({ width }) => width) });
  const { rows, columns: part } = view;
  const cut = useStable({ pinned, first: part.first, end: part.end, before: part.before, after: part.after });
  const shape = useStable(lefts);
  useLayoutEffect(() => want(rows.first, rows.end), [rows.first, rows.end, total, version]);
  const { cursor } = shared.selection.value;
  const column = shared.activeColumn.value;
  const isColumnDrawn = column < pinned || (column >= pinned + part.first && column < pinned + part.end);
  const isActiveDrawn = cursor >= rows.first && cursor < rows.end && isColumnDrawn && rowAt(cursor) !== null;
  const shown = [...columns.slice(0, pinned), ...loose.slice(part.first, part.end)];
  return html`<div class="table-scroll" ref=${scroller}>
    <table
      role="grid"
      class="runs"
      tabindex="0"
      aria-label=${props.label}
      aria-rowcount=${total + 1}
      aria-colcount=${columns.length}
      aria-multiselectable="true"
      aria-busy=${props.busy}
      aria-activedescendant=${isActiveDrawn ? "active-cell" : undefined}
      style=${{ width: `${sum(columns)}px` }}
      onKeyDown=${props.onKeyDown}
    >
      <colgroup>
        ${shown.slice(0, pinned).map(col)}
        ${part.before > 0 && col({ name: "before", width: part.before })}
        ${shown.slice(pinned).map(col)}
        ${part.after > 0 && col({ name: "after", width: part.after })}
      </colgroup>
      <thead>
        <tr role="row" aria-rowindex="1">
          ${shown.map((column, index) => {
            const place = index < pinned ? index : index + part.first;
            return html`${index === pinned && part.before > 0 && html`<td class="gap" aria-hidden="true" key="before"></td>`}
              <${HeaderCell}
                key=${column.name}
                column=${column}
                place=${place}
                left=${lefts[place]}
                sort=${props.sort}
                axis=${column.kind === "interval" ? axisText(scale) : null}
                suffix=${props.suffixes?.[column.kind] ?? ""}
                first=${props.firstDirection(column)}
                sortBy=${props.sortBy}
                change=${props.change}
              >${column.kind === "name" ? props.selectAll : null}</${HeaderCell}>`;
          })}
          ${part.after > 0 && html`<td class="gap" aria-hidden="true" key="after"></td>`}
        </tr>
      </thead>
      <tbody>
        ${gapRow("above", rows.first * height)}
        ${Array.from({ length: Math.max(0, rows.end - rows.first) }, (_, offset) => {
          const index = rows.first + offset;
          const row = rowAt(index);
          if (!row) return html`<tr role="row" aria-rowindex=${index + 2} class="pending" key=${`#${index}`}><td role="gridcell" colspan=${shown.length + 2}></td></tr>`;
          return html`<${Row} key=${row.id ?? row.key} row=${row} index=${index} columns=${columns} lefts=${shape} ...${cut} scale=${scale} height=${height} shared=${shared} opened=${props.isOpened(index)} narrow=${narrow} />`;
        })}
        ${gapRow("below", (total - rows.end) * height)}
      </tbody>
    </table>
  </div>`;
}

/** @param {{name: string, width: number}} column */
function col({ name, width }) {
  return html`<col key=${name} style=${{ width: `${width}px` }} />`;
}

/** Empty row with the height of all rows above or below the drawn rows. @param {string} key @param {number} height */
function gapRow(key, height) {
  return html`<tr class="gap" aria-hidden="true" key=${key}><td style=${{ height: `${Math.max(0, height)}px` }}></td></tr>`;
}

/** @param {import("./cells.js").Scale} scale */
function axisText({ axis, formats }) {
  return axis && axis.map((value) => (formats["@axis"] ?? String)(value));
}

/** @param {{width: number}[]} columns */
function sum(columns) {
  return columns.reduce((total, { width }) => total + width, 0);
}

/**
 * Return the previous object if it equals the value. Rows with equal properties are then not drawn again.
 * @template T
 * @param {T} value
 * @returns {T}
 */
function useStable(value) {
  const last = useRef(value);
  if (JSON.stringify(last.current) !== JSON.stringify(value)) last.current = value;
  return last.current;
}

