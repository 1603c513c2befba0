// @ts-check
/**
 * Header cells of the table. A header cell sorts the table by its column, opens a menu, and changes the width and the
 * position of the column.
 */
import { useState } from "preact/hooks";
import { html } from "../parts/html.js";
import { MenuItem } from "../parts/menu.js";
import { AGGREGATES, RANK } from "./columns.js";
import { Popover } from "./popover.js";

/** @typedef {import("./columns.js").Column} Column */

const DRAG_FROM = 6;
const NUMERIC = new Set(["number", "value", "at", "duration", "figure"]);

/**
 * Return true if the values of a column are aligned at the right.
 * @param {Column} column
 */
export function isNumeric(column) {
  return NUMERIC.has(column.kind);
}

/**
 * @param {{column: Column, place: number, left: number | null, sort: string, axis: string[] | null, suffix: string,
 *   sortBy: (sort: string) => void, change: (change: any, sort?: string) => void, first: "" | "-", children?: any}} props
 *   `place` is the index among all columns. `left` is the distance of a pinned column from the left edge. `first` is
 *   the direction of the first click. `children` appear before the heading.
 */
export function HeaderCell({ column, place, left, sort, axis, suffix, sortBy, change, first, children }) {
  const [menu, setMenu] = useState(/** @type {DOMRect | null} */ (null));
  const openMenu = (/** @type {any} */ event) => {
    event.preventDefault();
    setMenu(event.currentTarget.closest("th").getBoundingClientRect());
  };
  const direction = directionOf(column, sort, first);
  const text = html`<span class="heading" title=${column.heading}>${column.heading}</span>${suffix && html`<span class="soft"> ${suffix}</span>`}`;
  return html`<th
    role="columnheader"
    scope="col"
    aria-colindex=${place + 1}
    aria-sort=${direction || undefined}
    class=${`col-${column.kind} ${isNumeric(column) ? "number" : ""} ${left === null ? "" : "pinned"}`}
    style=${left === null ? undefined : { left: `${left}px` }}
    onContextMenu=${openMenu}
  >
    <div class="head-cell" onPointerDown=${(/** @type {PointerEvent} */ event) => startMove(event, column, change)}>
      ${children}
      ${axis && html`<span class="tick">${axis[0]}</span>`}
      ${column.sort === null
        ? text
        : html`<button type="button" class="sort" onClick=${() => sortBy(nextSort(sort, column, first))} title=${`Sort by ${column.heading}`}>
            ${text}<span class="arrow" aria-hidden="true">${direction ? (direction === "ascending" ? "↑" : "↓") : ""}</span>
          </button>`}
      ${axis && html`<span class="tick">${axis[1]}</span>`}
      <button type="button" class="more" aria-label=${`Column ${column.heading}`} aria-haspopup="dialog" onClick=${openMenu}>⋯</button>
    </div>
    <span class="resize" aria-hidden="true" onPointerDown=${(/** @type {PointerEvent} */ event) => startResize(event, column, change)} onDblClick=${() => change({ width: [column.name, column.natural] })}></span>
    ${menu && html`<${ColumnMenu} column=${column} place=${menu} sort=${sort} first=${first} sortBy=${sortBy} change=${change} close=${() => setMenu(null)} />`}
  </th>`;
}

/**
 * Return the order after a click on a header. Clicks sort first in the `first` direction, then in the other direction,
 * then by rank.
 * @param {string} sort
 * @param {Column} column
 * @param {"" | "-"} first
 */
export function nextSort(sort, column, first) {
  if (column.sort === RANK) return sort === "" ? `-${RANK}` : "";
  const [one, two] = first === "-" ? [`-${column.sort}`, `${column.sort}`] : [`${column.sort}`, `-${column.sort}`];
  return sort === one ? two : sort === two ? "" : one;
}

/** @param {Column} column @param {string} sort @param {"" | "-"} first @returns {"" | "ascending" | "descending"} */
function directionOf(column, sort, first) {
  if (column.sort === null) return "";
  if (column.sort !== RANK) return sort === column.sort ? "ascending" : sort === `-${column.sort}` ? "descending" : "";
  if (sort !== "" && sort !== `-${RANK}`) return "";
  return (sort === "") === (first === "-") ? "descending" : "ascending";
}

/** @param {{column: Column, place: DOMRect, sort: string, first: "" | "-", sortBy: (sort: string) => void, change: (change: any, sort?: string) => void, close: () => void}} props */
function ColumnMenu({ column, place, sort, first, sortBy, change, close }) {
  const then = (/** @type {() => void} */ act) => () => {
    close();
    act();
  };
  const item = (/** @type {string} */ text, /** @type {() => void} */ act, /** @type {boolean} */ chosen = false) =>
    html`<${MenuItem} key=${text} chosen=${chosen} onClick=${then(act)}>${text}</${MenuItem}>`;
  const { name, width, pinned } = column;
  return html`<${Popover} label=${`Column ${column.heading}`} place=${place} close=${close}>
    ${orders(column).map(([text, by]) => item(text, () => sortBy(by), sort === by))}
    ${aggregates(column).map(({ text, act, chosen }) => item(text, () => act({ sort, first, change }), chosen))}
    ${column.kind !== "at" && [
      item("Move left", () => change({ move: [name, -1] })),
      item("Move right", () => change({ move: [name, 1] })),
      item("Wider", () => change({ width: [name, width + 40] })),
      item("Narrower", () => change({ width: [name, width - 40] })),
      item(pinned ? "Unpin" : "Pin to the left", () => change({ pin: [name, !pinned] })),
      name !== "name" && item("Hide", () => change({ remove: name })),
    ]}
  </${Popover}>`;
}

/** Return the orders by a column, as pairs of a text and a value of `sort=`. @param {Column} column @returns {[string, string][]} */
function orders({ sort, kind }) {
  if (sort === null) return [];
  if (sort === RANK) return [["Best first", ""], ["Worst first", `-${RANK}`]];
  const [low, high] = { time: ["Oldest first", "Newest first"], text: ["A to Z", "Z to A"], name: ["A to Z", "Z to A"] }[kind] ?? ["Lowest first", "Highest first"];
  return [[low, sort], [high, `-${sort}`]];
}

/** Return the menu items that choose an aggregate of a metric. For the main metric, the items also sort by this aggregate. @param {Column} column */
function aggregates({ name, metric, aggregate: now, kind }) {
  if (!metric) return [];
  return AGGREGATES.filter((aggregate) => kind !== "value" || aggregate !== "best").map((aggregate) => ({
    text: kind === "value" ? `Sort by ${aggregate}` : `Show ${aggregate}`,
    chosen: aggregate === now,
    act: (/** @type {any} */ { sort, first, change }) => {
      const next = `${metric}.${aggregate}`;
      if (kind === "value") change({ add: next }, `${first}${next}`);
      else change({ replace: [name, next] }, sort.replace(/^-/, "") === name ? sort.replace(name, next) : sort);
    },
  }));
}

/** @param {PointerEvent} event @param {Column} column @param {(change: any) => void} change */
function startResize(event, column, change) {
  const handle = /** @type {HTMLElement} */ (event.currentTarget);
  const start = event.clientX;
  event.preventDefault();
  event.stopPropagation();
  drag(handle, event, (now) => now.clientX - start, (by) => by && change({ width: [column.name, column.width + by] }));
}

/** @param {PointerEvent} event @param {Column} column @param {(change: any) => void} change */
function startMove(event, column, change) {
  const head = /** @type {HTMLElement} */ (event.currentTarget).closest("th");
  if (!head || event.button !== 0 || event.pointerType === "touch" || column.kind === "at") return;
  const start = event.clientX;
  const cells = [.../** @type {HTMLElement} */ (head.parentElement).querySelectorAll("th[aria-colindex]")];
  const from = cells.indexOf(head);
  const places = cells.map((cell) => cell.getBoundingClientRect());
  const target = (/** @type {PointerEvent} */ { clientX }) => {
    if (Math.abs(clientX - start) < DRAG_FROM) return 0;
    const over = places.findIndex(({ left, right }) => clientX >= left && clientX < right);
    return over < 0 ? 0 : over - from;
  };
  const show = (/** @type {PointerEvent} */ now) => {
    const by = target(now);
    cells.forEach((cell, index) => cell.classList.toggle("drop", by !== 0 && index === from + by));
    head.classList.toggle("dragged", by !== 0);
    return by;
  };
  drag(head, event, show, (by) => {
    for (const cell of cells) cell.classList.remove("drop", "dragged");
    if (!by) return;
    head.addEventListener("click", stopClick, { capture: true, once: true });
    setTimeout(() => head.removeEventListener("click", stopClick, { capture: true }));
    change({ move: [column.name, by] });
  });
}

/** @param {Event} event */
function stopClick(event) {
  event.stopPropagation();
}

/**
 * Follow a pointer until it is released.
 * @param {HTMLElement} element
 * @param {PointerEvent} down
 * @param {(event: PointerEvent) => number} measure
 * @param {(result: number) => void} done
 */
function drag(element, down, measure, done) {
  let result = 0;
  const end = new AbortController();
  const move = (/** @type {PointerEvent} */ event) => {
    result = measure(event);
    element.style.setProperty("--drag", `${result}px`);
  };
  const finish = (/** @type {boolean} */ counts) => () => {
    end.abort();
    element.style.removeProperty("--drag");
    done(counts ? result : 0);
  };
  for (const [type, listener] of /** @type {[string, any][]} */ ([["pointermove", move], ["pointerup", finish(true)], ["pointercancel", finish(false)]])) {
    window.addEventListener(type, listener, { signal: end.signal });
  }
  if (down.pointerType === "touch") element.setPointerCapture(down.pointerId);
}
