// @ts-check
/** The header of a panel: its name, and one button per setting that opens a menu. */
import { useState } from "preact/hooks";
import { Button } from "../parts/button.js";
import { Field } from "../parts/field.js";
import { html } from "../parts/html.js";
import { Menu } from "../parts/menu.js";
import { ChoiceMenu } from "./choice_menu.js";
import { ExportMenu } from "./export_menu.js";
import { SmoothingSlider } from "./smoothing.js";

/** @type {[string, string][]} */
export const X_CHOICES = [["step", "step"], ["epoch", "epoch"], ["time", "time"]];
/** @type {[string, string][]} */
export const LOG_CHOICES = [
  ["", "linear"],
  ["y", "log y"],
  ["x", "log x"],
  ["xy", "log x and y"],
];
const DASH_WORDS = { train: "train dashed", val: "val solid", test: "test dotted" };

/**
 * @typedef {object} Settings
 * @property {string} x
 * @property {number} smooth
 * @property {string} log
 * @property {[number | null, number | null] | null} ylim
 * @property {"" | "wide"} size
 */

/**
 * @param {{
 *   title: string,
 *   splits: (string | null)[],
 *   settings: Settings,
 *   change: (change: Partial<Settings>) => void,
 *   xChoices: [string, string][],
 *   xName: string,
 *   isFull: boolean,
 *   toggleFull: () => void,
 *   exports: import("./export_menu.js").Exports,
 * }} props
 */
export function PanelHeader({ title, splits, settings, change, xChoices, xName, isFull, toggleFull, exports }) {
  const { smooth, log, ylim, size } = settings;
  const dashes = splits.map((split) => /** @type {Record<string, string>} */ (DASH_WORDS)[split ?? ""]).filter(Boolean);
  return html`<header class="panel-head">
    <h3 class="panel-name"><span class="panel-title one-line" title=${title}>${title}</span>${dashes.length > 1 && html`<span class="panel-dashes soft one-line">${dashes.join(", ")}</span>`}</h3>
    <div class="panel-controls" role="group" aria-label=${`Settings of ${title}`}>
      <${Button} quiet aria-pressed=${isFull} aria-label=${`Full screen ${title}`} title="Full screen. Key: f" onClick=${toggleFull}>${isFull ? "close" : "full"}</${Button}>
      <${Button} quiet class="panel-size" aria-pressed=${size === "wide"} aria-label=${`Wide ${title}`} title="As wide as the page" onClick=${() => change({ size: size ? "" : "wide" })}>${size ? "narrow" : "wide"}</${Button}>
      <${ExportMenu} title=${title} exports=${exports} />
      <${ChoiceMenu} class=${log ? "is-set" : ""} label=${logText(log)} title=${`Scale of the axes of ${title}`} align="right" options=${LOG_CHOICES} value=${log} choose=${(/** @type {string} */ value) => change({ log: value })} />
      <${Menu} class=${ylim ? "is-set" : ""} label=${ylim ? limitsText(ylim) : "y limits"} title=${`Limits of the y axis of ${title}`} align="right">
        ${(/** @type {() => void} */ close) => html`<${Limits} ylim=${ylim} change=${change} close=${close} />`}
      </${Menu}>
      <${Menu} class=${smooth ? "is-set" : ""} label=${`smooth ${smooth.toFixed(2)}`} title=${`Smoothing of ${title}`} align="right">
        <div class="panel-form"><${SmoothingSlider} value=${smooth} change=${(/** @type {number} */ value) => change({ smooth: value })} explained /></div>
      </${Menu}>
      <${ChoiceMenu} class="is-set" label=${xName} title=${`x axis of ${title}`} align="right" options=${xChoices} value=${xName} choose=${(/** @type {string} */ value) => change({ x: value })} />
    </div>
  </header>`;
}

/** @param {string} log */
export function logText(log) {
  return LOG_CHOICES.find(([value]) => value === log)?.[1] ?? "";
}

/** @param {[number | null, number | null]} ylim */
function limitsText([low, high]) {
  return `${low ?? "auto"} to ${high ?? "auto"}`;
}

/** @param {{ylim: [number | null, number | null] | null, change: (change: Partial<Settings>) => void, close: () => void}} props */
function Limits({ ylim, change, close }) {
  const [low, setLow] = useState(String(ylim?.[0] ?? ""));
  const [high, setHigh] = useState(String(ylim?.[1] ?? ""));
  const error = limitError(low, high);
  const apply = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (error) return;
    const limits = /** @type {[number | null, number | null]} */ ([low, high].map((text) => (text.trim() ? Number(text) : null)));
    change({ ylim: limits[0] === null && limits[1] === null ? null : limits });
    close();
  };
  const clear = () => {
    change({ ylim: null });
    close();
  };
  return html`<form class="panel-form" onSubmit=${apply}>
    <${Field} label="Lowest y" value=${low} input=${setLow} inputmode="decimal" placeholder="fits the lines" />
    <${Field} label="Highest y" value=${high} input=${setHigh} inputmode="decimal" placeholder="fits the lines" error=${error} />
    <div class="panel-form-buttons"><${Button} onClick=${clear}>Fit the lines</${Button}><${Button} type="submit" acts disabled=${Boolean(error)}>Set</${Button}></div>
  </form>`;
}

/**
 * Return an error message about limits that the user typed, or an empty text if they are valid.
 * @param {string} low
 * @param {string} high
 */
export function limitError(low, high) {
  for (const text of [low, high]) if (text.trim() && !Number.isFinite(Number(text))) return `“${text}” is not a number.`;
  return low.trim() && high.trim() && Number(low) >= Number(high) ? "The lowest y must be less than the highest." : "";
}
