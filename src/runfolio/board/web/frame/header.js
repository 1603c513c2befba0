// @ts-check
import { Button } from "../parts/button.js";
import { html } from "../parts/html.js";
import { theme } from "../preferences.js";
import { store } from "../store.js";
import { href } from "../url.js";

/**
 * Bar at the top of every page.
 * @param {{narrow: boolean, show: (dialog: string) => void, foldRail: () => void, changeTheme: () => void}} properties
 */
export function Header({ narrow, show, foldRail, changeTheme }) {
  const { name, folder, read_only: readOnly } = store.data.value ?? {};
  return html`<header class="header">
    <a class="skip" href="#main" onClick=${focusMain}>Skip to the content</a>
    ${narrow && html`<${Button} quiet onClick=${foldRail} aria-haspopup="dialog">Menu</${Button}>`}
    <a class="wordmark" href=${href({ page: "home", experiment: null, run: null })}>run<span>folio</span></a>
    ${name && html`<span class="store-name soft one-line" title=${folder}>${name}</span>`}
    ${readOnly && !narrow && html`<span class="soft small">read only</span>`}
    <span class="spread"></span>
    <button type="button" class="jump-button" onClick=${() => show("jump")}>${narrow ? "Jump" : html`<span>Jump to a run, metric or command</span><kbd>Ctrl K</kbd>`}</button>
    ${!narrow && html`<${Button} quiet onClick=${changeTheme} aria-keyshortcuts="t">${theme.value === "dark" ? "Light" : "Dark"}</${Button}>`}
    ${!narrow && html`<${Button} quiet onClick=${() => show("help")} aria-keyshortcuts="?">Keys</${Button}>`}
  </header>`;
}

/** @param {Event} event */
function focusMain(event) {
  event.preventDefault();
  /** @type {HTMLElement | null} */ (document.querySelector("main"))?.focus();
}
