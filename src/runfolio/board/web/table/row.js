// @ts-check
/** Row of the table: a run, or a group of runs. */
import { useComputed } from "@preact/signals";
import { css } from "../colours.js";
import { html } from "../parts/html.js";
import { Middle } from "../parts/middle.js";
import { Tag } from "../parts/tag.js";
import { cell, cellText, distinction, groupText, whyText } from "./cells.js";
import { isNumeric } from "./header.js";

const VALUE = /** @type {any} */ ({ kind: "value", name: "@value" });
const STATE = /** @type {any} */ ({ kind: "state", name: "state" });

/**
 * @typedef {object} Shared Signals and actions that all rows share.
 * @property {import("@preact/signals").ReadonlySignal<import("./selection.js").Selection>} selection
 * @property {import("@preact/signals").Signal<string | null>} hovered
 * @property {import("@preact/signals").ReadonlySignal<Set<string>>} drawn
 * @property {import("@preact/signals").ReadonlySignal<Map<string, Record<string, number>> | null>} atStep
 * @property {import("@preact/signals").ReadonlySignal<number>} activeColumn
 * @property {(key: string) => number} colour
 * @property {(key: string) => string} href
 * @property {(key: string) => void} toggleDrawn
 * @property {(condition: string) => void} filterBy
 * @property {(index: number, row: any, event: any) => void} select
 * @property {(index: number) => void} open Opens or closes a group, or shows a run on a narrow page.
 */

/**
 * @param {{row: any, index: number, columns: import("./columns.js").Column[], lefts: (number | null)[], before: number,
 *   after: number, pinned: number, first: number, end: number, scale: any, height: number, shared: Shared,
 *   opened: boolean, narrow: boolean}} props
 */
export function Row({ row, index, columns, lefts, before, after, pinned, first, end, scale, height, shared, opened, narrow }) {
  const keys = row.members ?? [row.key];
  const selected = useComputed(() => keys.length > 0 && keys.every((/** @type {string} */ key) => shared.selection.value.keys.has(key)));
  const cursor = useComputed(() => (shared.selection.value.cursor === index ? shared.activeColumn.value : -1));
  const hovered = useComputed(() => shared.hovered.value === row.key);
  const atStep = useComputed(() => shared.atStep.value?.get(row.key) ?? null);
  const colour = shared.colour(row.key);
  const context = { scale, height, colour, atStep: atStep.value, filterBy: shared.filterBy };
  const drawCell = (/** @type {number} */ place) => {
    const column = columns[place];
    const props = {
      key: column.name,
      id: cursor.value === place ? "active-cell" : undefined,
      "aria-colindex": place + 1,
      class: `col-${column.kind} ${isNumeric(column) ? "number" : ""} ${lefts[place] === null ? "" : "pinned"} ${cursor.value === place ? "active" : ""}`,
      style: lefts[place] === null ? undefined : { left: `${lefts[place]}px` },
    };
    if (column.kind !== "name") return html`<td role="gridcell" ...${props}>${cell(row, column, context)}</td>`;
    return html`<th role="rowheader" scope="row" ...${props}><${NameCell} row=${row} index=${index} shared=${shared} selected=${selected} opened=${opened} narrow=${narrow} context=${context} /></th>`;
  };
  return html`<tr
    role="row"
    aria-rowindex=${index + 2}
    aria-selected=${selected.value}
    class=${`${css(colour)} ${cursor.value < 0 ? "" : "cursor"} ${hovered.value ? "hovered" : ""} ${row.members ? "group" : ""} ${row.child ? "child" : ""} ${row.archived ? "archived" : ""}`}
    onPointerEnter=${() => (shared.hovered.value = row.key)}
    onPointerLeave=${() => (shared.hovered.value = null)}
    onClick=${(/** @type {any} */ event) => !event.target.closest("a, button, input, label") && shared.select(index, null, event)}
  >
    ${range(0, pinned).map(drawCell)}
    ${before > 0 && html`<td class="gap" aria-hidden="true" key="before"></td>`}
    ${range(pinned + first, pinned + end).map(drawCell)}
    ${after > 0 && html`<td class="gap" aria-hidden="true" key="after"></td>`}
  </tr>`;
}

/** @param {{row: any, index: number, shared: Shared, selected: any, opened: boolean, narrow: boolean, context: any}} props */
function NameCell({ row, index, shared, selected, opened, narrow, context }) {
  const name = row.name || row.label || row.key;
  const figure = cellText(row, VALUE, context.scale);
  const isDrawn = useComputed(() => shared.drawn.value.has(row.key));
  const check = html`<label class="check">
    <input type="checkbox" tabindex="-1" checked=${selected.value} aria-label=${`Select ${name}`} onClick=${(/** @type {any} */ event) => shared.select(index, row, event)} />
  </label>`;
  if (row.members) {
    return html`<div class="name-cell">
      ${check}
      <button type="button" class="fold" tabindex="-1" aria-expanded=${opened} aria-label=${`${opened ? "Close" : "Open"} ${name}`} onClick=${() => shared.open(index)}>${opened ? "▾" : "▸"}</button>
      <span class="run-swatch of-group" aria-hidden="true"></span>
      ${narrow ? html`<span class="name two"><${Middle} text=${name} /><span class="below one-line soft">${[groupText(row), figure].filter(Boolean).join(", ")}</span></span>` : html`<${Middle} text=${name} />`}
    </div>`;
  }
  const more = [row.archived && "archived", row.child && figure, row.state === "running" ? "" : whyText(row) || distinction(row)].filter(Boolean).join(" · ");
  return html`<div class="name-cell">
    ${check}
    <button
      type="button"
      class="run-swatch"
      tabindex="-1"
      aria-pressed=${isDrawn.value}
      aria-label=${`Draw ${name}`}
      title=${isDrawn.value ? "Drawn in the charts. Click to remove it." : "Not drawn. Click to draw it in the charts."}
      onClick=${() => shared.toggleDrawn(row.key)}
    ></button>
    ${narrow
      ? html`<button type="button" class="name two" onClick=${() => shared.open(index)}>
          <${Middle} text=${name} /><span class="below one-line">${cell(row, STATE, context)}${more && html`<span class="soft"> · ${more}</span>`}</span>
        </button>`
      : html`<a class="name" tabindex="-1" href=${shared.href(row.key)} title=${name}><${Middle} text=${name} /></a>${row.archived && html`<${Tag} name="archived" />`}`}
  </div>`;
}

/** @param {number} first @param {number} end */
function range(first, end) {
  return Array.from({ length: Math.max(0, end - first) }, (_, index) => first + index);
}
