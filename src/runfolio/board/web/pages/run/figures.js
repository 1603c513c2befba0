// @ts-check
/** Tables of a run's settings, metrics, results and checkpoints. */
import { ago, bytes, column, integer, moment, number, stepValue } from "../../format.js";
import { html } from "../../parts/html.js";
import { href } from "../../url.js";
import { Lesson, List, Section } from "./blocks.js";
import { blobAddress } from "./state.js";

/** Number of settings that are shown without opening a list. */
const FEW = 16;

/**
 * Settings of the run. Settings that differ from their defaults come first.
 * @param {{run: any}} properties
 */
export function Settings({ run: { settings } }) {
  const changed = settings.filter((/** @type {any} */ setting) => setting.is_changed);
  const hasDefaults = changed.length < settings.length || changed.some((/** @type {any} */ setting) => setting.has_default);
  /** @type {import("./blocks.js").Columns} */
  const columns = [
    ["Setting", ({ name }) => name, "mono wrap"],
    ["Value", ({ value }) => valueText(value), "mono wrap"],
    hasDefaults && ["Default", (setting) => (setting.has_default ? valueText(setting.default) : ""), "mono wrap soft"],
  ];
  const rest = /** @type {[any[], string][]} */ ([
    [changed.slice(FEW), "more"],
    [settings.slice(changed.length), "at their defaults"],
  ]);
  return html`<${Section} title="Settings">
    ${!settings.length && html`<${Lesson} text="Pass the settings to the run to use them in tables, filters and comparisons:" line=${'run = runfolio.init(config={"lr": 0.1, "epochs": 10})'} />`}
    ${changed.length > 0 && html`<${List} label="Settings" columns=${columns} entries=${changed.slice(0, FEW)} />`}
    ${rest.map(([entries, words]) => entries.length > 0 && html`<details key=${words}><summary>${integer(entries.length)} ${words}</summary><${List} label=${`Settings ${words}`} columns=${columns} entries=${entries} /></details>`)}
  </${Section}>`;
}

/**
 * Last and best value of each metric.
 * @param {{run: any}} properties
 */
export function Metrics({ run: { metrics } }) {
  /** @type {import("./blocks.js").Columns} */
  const columns = [
    ["Metric", ({ name }) => html`<a href=${href({ tab: "curves", item: name })}>${name}</a>`, "wrap"],
    ["Best", ({ best }) => number(best), "number"],
    ["At step", ({ best_step: step }) => step !== null && stepValue(step), "number soft"],
    ["Last", ({ last }) => html`<span class=${typeof last === "string" ? "bad" : ""}>${number(last)}</span>`, "number"],
    ["Points", ({ points }) => integer(points), "number soft"],
  ];
  return html`<${Section} title="Metrics">
    ${metrics.length ? html`<${List} label="Metrics" columns=${columns} entries=${metrics} />` : html`<${Lesson} text="No metrics were logged. Log values to see curves while the run trains:" line=${'run.log({"train/loss": loss}, step=step)'} />`}
  </${Section}>`;
}

/**
 * Results that the run reported.
 * @param {{run: any}} properties
 */
export function Results({ run: { results } }) {
  if (!results.length) return null;
  return html`<${Section} title="Results"><dl class="results">${results.map((/** @type {any} */ { name, value }) => html`<div key=${name}><dt class="soft wrap">${name}</dt><dd class="wrap">${typeof value === "number" ? number(value) : valueText(value)}</dd></div>`)}</dl></${Section}>`;
}

/**
 * Checkpoints with their sizes, newest first.
 * @param {{run: any}} properties
 */
export function Checkpoints({ run }) {
  const newestFirst = [...run.checkpoints].reverse();
  const values = newestFirst.map(({ metric }) => metric);
  const metrics = column(values);
  /** @type {import("./blocks.js").Columns} */
  const columns = [
    ["Name", ({ name }) => name, "wrap"],
    ["Step", ({ step }) => step !== null && stepValue(step), "number"],
    values.some((value) => value !== null) && ["Metric", (_, index) => metrics[index], "number"],
    ["Size", ({ bytes: size }) => bytes(size), "number"],
    ["Files", ({ name, files }) => Object.entries(files).map(([part, sha]) => html`<a href=${blobAddress(/** @type {string} */ (sha))} download aria-label=${`Download ${part} of ${name}`} key=${part}>${part}</a> `), "wrap"],
    ["Saved", ({ saved }) => html`<span title=${moment(saved)}>${ago(saved)}</span>`, "soft"],
  ];
  return html`<${Section} title="Checkpoints">
    ${newestFirst.length ? html`<${List} label="Checkpoints" columns=${columns} entries=${newestFirst} />` : html`<${Lesson} text="No checkpoints were saved. A run with checkpoints can be resumed and forked:" line="run.checkpoint(model=model, optimizer=optimizer, step=step)" />`}
  </${Section}>`;
}

/** Return the full text of a value. @param {any} value */
function valueText(value) {
  if (value === null) return "none";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
