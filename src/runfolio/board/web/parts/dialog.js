// @ts-check
import { useEffect, useId, useRef } from "preact/hooks";
import { bind } from "../keys.js";
import { html } from "./html.js";

/**
 * Modal dialog. It has the focus while it is shown, and returns the focus when it is closed.
 * @param {{title: string, close: () => void, children?: any, class?: string, titleHidden?: boolean}} properties
 */
export function Dialog({ title, close, children, class: extra = "", titleHidden = false }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const heading = useId();
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    const unbind = bind(title, { Escape: { does: "Close", run: close } }, { modal: true });
    return () => {
      unbind();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const cancel = (/** @type {Event} */ event) => {
    event.preventDefault();
    close();
  };
  const clickOutside = (/** @type {MouseEvent} */ event) => event.target === element.current && close();
  return html`<dialog ref=${element} class=${`dialog ${extra}`} aria-labelledby=${heading} onCancel=${cancel} onMouseDown=${clickOutside}>
    <div class="dialog-body">
      <h2 id=${heading} class=${titleHidden ? "only-read" : "dialog-title"}>${title}</h2>
      ${children}
    </div>
  </dialog>`;
}
