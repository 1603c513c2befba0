// @ts-check
import { useEffect, useRef } from "preact/hooks";
import { html } from "./html.js";

const STEP = 0.04;
const SMALLEST = 0.12;

/**
 * Two panes, one above the other. The divider between them can be dragged or moved with the arrow keys.
 * @param {{label: string, share: import("@preact/signals").Signal<number>, top: any, bottom: any}} properties
 */
export function Split({ label, share, top, bottom }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const value = share.value;
  useEffect(() => element.current?.style.setProperty("--share", String(value)), [value]);
  const move = (/** @type {number} */ next) => (share.value = Math.min(1 - SMALLEST, Math.max(SMALLEST, next)));
  const drag = (/** @type {PointerEvent} */ event) => {
    const handle = /** @type {HTMLElement} */ (event.currentTarget);
    if (!handle.hasPointerCapture(event.pointerId) || !element.current) return;
    const box = element.current.getBoundingClientRect();
    move((event.clientY - box.top) / box.height);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const direction = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!direction) return;
    event.preventDefault();
    event.stopPropagation();
    move(value + direction * STEP);
  };
  return html`<div class="split" ref=${element}>
    <div class="split-top">${top}</div>
    <div
      class="split-handle"
      role="separator"
      tabindex="0"
      aria-orientation="horizontal"
      aria-label=${label}
      aria-valuenow=${Math.round(value * 100)}
      aria-valuemin=${Math.round(SMALLEST * 100)}
      aria-valuemax=${Math.round((1 - SMALLEST) * 100)}
      onPointerDown=${(/** @type {any} */ event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove=${drag}
      onKeyDown=${onKeyDown}
    ></div>
    <div class="split-bottom">${bottom}</div>
  </div>`;
}
