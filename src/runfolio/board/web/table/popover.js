// @ts-check
/** Panel above the page, next to an element of the table. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { bind } from "../keys.js";
import { html } from "../parts/html.js";

/**
 * @param {{label: string, place: {left: number, top: number, bottom: number}, close: () => void, children?: any, class?: string}} props
 *   `place` is the rectangle of the element next to which the panel appears, relative to the window.
 */
export function Popover({ label, place, close, children, class: extra = "" }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    const panel = /** @type {HTMLElement} */ (element.current);
    panel.showPopover();
    const { width, height } = panel.getBoundingClientRect();
    const below = place.bottom + 2 + height <= innerHeight || place.top < height;
    panel.style.left = `${Math.max(8, Math.min(place.left, innerWidth - width - 8))}px`;
    panel.style.top = `${Math.max(8, below ? Math.min(place.bottom + 2, innerHeight - height - 8) : place.top - height - 2)}px`;
    /** @type {HTMLElement | null} */ (panel.querySelector("input, textarea, button"))?.focus();
  }, [place]);
  useEffect(() => {
    const before = document.activeElement?.closest("[popover]") ? null : document.activeElement;
    const unbind = bind(label, { Escape: { does: "Close", run: close } }, { modal: true });
    const outside = (/** @type {Event} */ event) => {
      if (!element.current?.contains(/** @type {Node} */ (event.target))) close();
    };
    addEventListener("pointerdown", outside);
    return () => {
      unbind();
      removeEventListener("pointerdown", outside);
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return html`<div ref=${element} popover="manual" role="dialog" aria-label=${label} class=${`menu-panel popover ${extra}`} onKeyDown=${step}>${children}</div>`;
}

/** Move the focus between the items of a menu with the arrow keys. @param {any} event */
function step(event) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[/** @type {string} */ (event.key)];
  if (!by || event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
  const items = [...event.currentTarget.querySelectorAll(".menu-item")];
  const now = items.indexOf(document.activeElement);
  items[(now + by + items.length) % items.length]?.focus();
  event.preventDefault();
}
