// @ts-check
import { bindings } from "../keys.js";
import { Dialog } from "../parts/dialog.js";
import { html } from "../parts/html.js";

/**
 * Dialog that lists the keyboard shortcuts of the current page.
 * @param {{close: () => void}} properties
 */
export function Help({ close }) {
  return html`<${Dialog} title="Keyboard shortcuts" close=${close} class="help">
    <div class="help-groups">
      ${[...groups()].map(
        ([scope, keys]) => html`<section key=${scope}>
          <h3>${scope}</h3>
          <dl>
            ${keys.map(([name, does]) => html`<div key=${name}><dt>${name.split(" ").map((key) => html`<kbd key=${key}>${label(key)}</kbd> `)}</dt><dd>${does}</dd></div>`)}
          </dl>
        </section>`,
      )}
    </div>
  </${Dialog}>`;
}

/** @returns {Map<string, [string, string][]>} */
function groups() {
  const scopes = new Map();
  for (const { scope, keys, modal } of bindings.value) {
    if (modal || !Object.keys(keys).length) continue;
    if (!scopes.has(scope)) scopes.set(scope, []);
    for (const [name, { does }] of Object.entries(keys)) scopes.get(scope).push([name, does]);
  }
  return scopes;
}

/** @param {string} key */
function label(key) {
  return key.replace("Arrow", "").replace("Ctrl-", "Ctrl ").replace("Shift-", "Shift ");
}
