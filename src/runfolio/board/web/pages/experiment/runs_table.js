// @ts-check
/** Table of the runs of an experiment, with its toolbar, keys and forms. */
import { computed } from "@preact/signals";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { colourIndex } from "../../colours.js";
import { stepValue } from "../../format.js";
import { Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { followView } from "../../parts/virtual.js";
import { density } from "../../preferences.js";
import { narrow } from "../../screen.js";
import { readOnly } from "../../store.js";
import { BulkBar } from "../../table/bulk_bar.js";
import { narrowColumns } from "../../table/columns.js";
import { EditBox } from "../../table/edit_box.js";
import { and } from "../../table/filter_text.js";
import { stretched } from "../../table/layout.js";
import { Legend } from "../../table/legend.js";
import { RowSheet } from "../../table/row_sheet.js";
import { Table } from "../../table/table.js";
import { href, patch, view } from "../../url.js";
import { listed } from "./listing.js";
import { NoMatch } from "./no_match.js";
import { drawn, hovered, pinned, runs } from "./state.js";
import { editing, save, select, selectAll, sortBy, targets, toggleDrawn, trash } from "./table_actions.js";
import { archive, onGridKey, open, pointAt, selectTo, startEdit, toggle, useTableKeys } from "./table_keys.js";
import { activeColumn, columns, isOpened, question, rowAt, rows, scale, selection, total, want } from "./table_state.js";
import { CopyMenu, Toolbar, changeColumns } from "./table_toolbar.js";

/** Height of a row in pixels, by density. @type {Record<string, number>} */
const HEIGHTS = { normal: 30, compact: 24, narrow: 48 };

/** Properties that all rows share. A row is drawn again only if one of the signals changes for this row. */
const shared = {
  selection,
  hovered,
  activeColumn,
  drawn: computed(() => new Set(drawn.value)),
  atStep: computed(() => pinned.value?.values ?? null),
  colour: (/** @type {string} */ key) => (drawn.value.includes(key) || key.startsWith("group:") ? colourIndex(key) : -1),
  href: (/** @type {string} */ key) => href({ page: "run", run: key, experiment: null }),
  toggleDrawn,
  filterBy: (/** @type {string} */ condition) => patch({ where: and(view.where.value, condition) }),
  open,
  select(/** @type {number} */ index, /** @type {any} */ row, /** @type {any} */ event) {
    if (event.shiftKey) selectTo(index);
    else if (row || event.ctrlKey || event.metaKey) toggle(index);
    else pointAt(index);
  },
};

/** Table of the runs. */
export function RunsTable() {
  const scroller = useRef(/** @type {HTMLElement | null} */ (null));
  const [sheet, setSheet] = useState(/** @type {any} */ (null));
  useTableKeys(scroller);
  useLayoutEffect(() => {
    if (scroller.current) scroller.current.scrollTop = 0;
  }, [question.value]);
  const reply = runs.data.value;
  if (!reply) return null;
  const error = runs.error.value;
  const isEmpty = reply.total === 0 && view.where.value !== "" && !runs.stale.value;
  const row = editing.value;
  return html`<div class="runs-table">
    ${selection.value.keys.size > 0 ? html`<${Bulk} scroller=${scroller} />` : html`<${Toolbar} narrow=${narrow.value} />`}
    ${error && error.position == null && html`<${Failure} error=${error} retry=${runs.refresh} />`}
    ${isEmpty ? html`<${NoMatch} />` : html`<${Grid} scroller=${scroller} showRow=${setSheet} />`}
    ${!isEmpty && html`<${Legend} marks=${marksOf(reply)} hasBand=${Boolean(reply.band)} hasGroups=${Boolean(reply.groups)} notes=${reply.notes ?? []} />`}
    ${row && html`<${EditBox} key=${row.field} edit=${row} known=${knownTags()} save=${save} close=${() => (editing.value = null)} />`}
    ${sheet && html`<${RowSheet} row=${sheet} columns=${columns.value} scale=${scale.value} href=${shared.href(sheet.key)} close=${() => setSheet(null)} />`}
  </div>`;
}

/** @param {{scroller: {current: HTMLElement | null}, showRow: (row: any) => void}} props */
function Grid({ scroller, showRow }) {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = /** @type {HTMLElement} */ (scroller.current);
    return followView(element, () => setWidth(element.clientWidth));
  }, []);
  const isNarrow = narrow.value;
  const height = isNarrow ? HEIGHTS.narrow : HEIGHTS[density.value] ?? HEIGHTS.normal;
  useLayoutEffect(() => scroller.current?.style.setProperty("--table-row", `${height}px`), [height]);
  const all = columns.value;
  const shown = isNarrow ? narrowColumns(all, width) : stretched(all, width);
  const sheets = useMemo(() => ({ ...shared, open: (/** @type {number} */ place) => (rowAt(place)?.members ? open(place) : showRow(rowAt(place))) }), []);
  return html`<${Table}
    label="Runs"
    scroller=${scroller}
    columns=${shown}
    total=${total.value}
    version=${rows.version.value}
    rowAt=${rowAt}
    want=${want}
    isOpened=${isOpened}
    height=${height}
    scale=${scale.value}
    sort=${view.sort.value}
    sortBy=${sortBy}
    firstDirection=${firstDirection}
    change=${changeColumns}
    shared=${isNarrow ? sheets : shared}
    narrow=${isNarrow}
    busy=${runs.loading.value}
    selectAll=${html`<${SelectAll} />`}
    suffixes=${pinned.value && { at: `at ${stepValue(pinned.value.x)}` }}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => onGridKey(event, scroller)}
  />`;
}

/** Checkbox in the header that selects all runs or none. */
function SelectAll() {
  const some = selection.value.keys.size > 0;
  return html`<label class="check"><input type="checkbox" checked=${some} indeterminate=${some} aria-label="Select all runs" onClick=${selectAll} /></label>`;
}

/** @param {{scroller: {current: HTMLElement | null}}} props */
function Bulk({ scroller }) {
  // Reading the version draws the bar again when the states of the selected runs change.
  rows.version.value;
  const count = selection.value.keys.size;
  const chosen = targets();
  const act = (/** @type {string} */ action, /** @type {any} */ event) => {
    if (action === "only") patch({ show: view.show.value.length ? [] : [...selection.value.keys].slice(0, 100) });
    else if (action === "archive" || action === "unarchive") archive(chosen);
    else if (action === "delete") trash(chosen);
    else if (action === "clear") select([]);
    else startEdit(/** @type {any} */ (action), chosen, scroller, event.currentTarget);
  };
  return html`<${BulkBar} count=${count} archivedOnly=${chosen.every(({ archived }) => archived)} readOnly=${readOnly.value} only=${view.show.value.length > 0} act=${act}><${CopyMenu} /></${BulkBar}>`;
}

/**
 * Return the direction of the first sort by a column. The best, newest or highest values come first. Texts and settings
 * ascend.
 */
function firstDirection(/** @type {import("../../table/columns.js").Column} */ column) {
  if (column.kind === "value") return runs.data.value?.mode === "min" ? "" : "-";
  if (column.kind === "text" || column.kind === "name" || column.kind === "state" || column.kind === "why") return "";
  const metric = listed.value.find((/** @type {any} */ { name }) => name === column.metric);
  const falls = metric ? metric.mode === "min" : /loss|error|params\./.test(column.name);
  return falls || column.aggregate === "min" ? "" : "-";
}

/** Return the marks of the rows on the first page. @param {any} reply @returns {Set<string>} */
function marksOf(reply) {
  const marks = reply.groups ? reply.groups.map((/** @type {any} */ group) => group.mark) : reply.fields.mark;
  return new Set((marks ?? []).flatMap((/** @type {string} */ mark) => [...(mark ?? "")]));
}

function knownTags() {
  return [...new Set(rows.loaded().flatMap(({ tags = [] }) => tags))].sort();
}
