// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "./button.js";
import { html } from "./html.js";

/**
 * Button that opens a menu of choices or a small form below it.
 * @param {{label: any, title?: string, children: any, align?: "left" | "right", class?: string, quiet?: boolean}} properties
 *   `children` are nodes, or a function that takes `close` and returns nodes
 */
export function Menu({ label, title, children, align = "left", class: extra = "", quiet = true }) {
  const [open, setOpen] = useState(false);
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const close = () => {
    setOpen(false);
    element.current?.querySelector("button")?.focus();
  };
  useEffect(() => {
    if (!open) return undefined;
    const outside = (/** @type {Event} */ event) => {
      if (!element.current?.contains(/** @type {Node} */ (event.target))) setOpen(false);
    };
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open]);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape" && open) {
      event.stopPropagation();
      close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") moveFocus(element.current, event);
  };
  return html`<span ref=${element} class=${`menu ${extra}`} onKeyDown=${onKeyDown}>
    <${Button} quiet=${quiet} aria-expanded=${open} title=${title} aria-label=${title} onClick=${() => setOpen(!open)}>${label}</${Button}>
    ${open && html`<div class=${`menu-panel ${align}`}>${typeof children === "function" ? children(close) : children}</div>`}
  </span>`;
}

/**
 * Choice in a menu.
 * @param {{children?: any, chosen?: boolean, hint?: any} & Record<string, any>} properties
 */
export function MenuItem({ children, chosen, hint, ...rest }) {
  return html`<button type="button" class="menu-item" aria-pressed=${chosen} ...${rest}>
    <span class="menu-check" aria-hidden="true">${chosen ? "✓" : ""}</span><span>${children}</span>${hint && html`<span class="soft">${hint}</span>`}
  </button>`;
}

/** @param {HTMLElement | null} menu @param {KeyboardEvent} event */
function moveFocus(menu, event) {
  const items = [...(menu?.querySelectorAll(".menu-item") ?? [])];
  if (!items.length) return;
  event.preventDefault();
  const now = items.indexOf(/** @type {Element} */ (document.activeElement));
  const next = event.key === "ArrowDown" ? now + 1 : now - 1;
  /** @type {HTMLElement} */ (items[(next + items.length) % items.length]).focus();
}
