// @ts-check
import { integer } from "../../format.js";
import { Copy } from "../../parts/copy.js";
import { html } from "../../parts/html.js";

/** Number of settings that are shown without opening a list. */
const FEW = 12;

/**
 * Settings of the run; those that differ from their defaults come first.
 * @param {{run: any}} properties
 */
export function Settings({ run }) {
  const changed = run.settings.filter((/** @type {any} */ setting) => setting.is_changed);
  const atDefault = run.settings.slice(changed.length);
  const hasDefaults = run.settings.some((/** @type {any} */ setting) => setting.has_default);
  const [shown, more] = changed.length <= FEW + 4 ? [changed, []] : [changed.slice(0, FEW), changed.slice(FEW)];
  return html`<section aria-labelledby="settings-title">
    <h2 id="settings-title">Settings</h2>
    ${!run.settings.length && html`<p class="soft">Give the settings to the run, and tables, filters and comparisons have them:</p><${Copy} text=${'run = runfolio.init(config={"lr": 0.1, "epochs": 10})'} label="line of Python" />`}
    ${shown.length > 0 && html`<${SettingsTable} settings=${shown} caption=${hasDefaults ? "Different from their defaults" : "Settings"} />`}
    ${more.length > 0 && html`<${Folded} settings=${more} title=${`${integer(more.length)} more`} />`}
    ${atDefault.length > 0 && html`<${Folded} settings=${atDefault} title=${`${integer(atDefault.length)} at ${atDefault.length === 1 ? "its default" : "their defaults"}`} />`}
  </section>`;
}

/** @param {{settings: any[], title: string}} properties */
function Folded({ settings, title }) {
  return html`<details><summary>${title}</summary><${SettingsTable} settings=${settings} caption=${title} /></details>`;
}

/** @param {{settings: any[], caption: string}} properties */
function SettingsTable({ settings, caption }) {
  const defaults = settings.some((setting) => setting.has_default && setting.is_changed);
  return html`<table class="list">
    <caption class="only-read">${caption}</caption>
    <thead><tr><th scope="col">Setting</th><th scope="col">Value</th>${defaults && html`<th scope="col">Default</th>`}</tr></thead>
    <tbody>${settings.map((setting) => html`<tr key=${setting.name}>
      <th scope="row" class="mono wrap">${setting.name}</th>
      <td class="mono wrap">${valueText(setting.value)}</td>
      ${defaults && html`<td class="mono wrap soft">${setting.has_default ? valueText(setting.default) : ""}</td>`}
    </tr>`)}</tbody>
  </table>`;
}

/**
 * Write a value in full, as the user would.
 * @param {any} value
 * @returns {string}
 */
export function valueText(value) {
  if (value === null) return "none";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
