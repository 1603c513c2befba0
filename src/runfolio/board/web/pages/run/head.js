// @ts-check
import { useState } from "preact/hooks";
import { ago, moment, number } from "../../format.js";
import { useKeys } from "../../keys.js";
import { Button } from "../../parts/button.js";
import { html } from "../../parts/html.js";
import { State } from "../../parts/state.js";
import { Tag } from "../../parts/tag.js";
import { readOnly } from "../../store.js";
import { href } from "../../url.js";
import { EditField, change, moveToTrash } from "./edit_field.js";
import { afterState, relationTexts } from "./statement.js";

/** Number of metrics with NaN that are named. */
const MOST_BROKEN = 5;

/**
 * Name, state and tags of the run, the reason why it ended, and its relations to other runs.
 * @param {{run: any}} properties
 */
export function Head({ run }) {
  const details = [
    html`<a href=${href({ page: "experiment", experiment: run.experiment, run: null })}>${run.experiment}</a>`,
    html`<span title=${moment(run.created)}>started ${ago(run.created)}</span>`,
    run.parent && html`<${Parent} parent=${run.parent} />`,
    ...relationTexts(run),
    html`<span class="mono">${run.id}</span>`,
    run.archived && "archived",
  ];
  return html`<header class="run-head">
    <${Name} run=${run} key=${run.key} />
    <p class="run-sentence"><${State} state=${run.state} />${afterState(run)}<${Reason} run=${run} /></p>
    <${NotFinite} metrics=${run.metrics} />
    <ul class="run-details soft">${details.filter(Boolean).map((detail) => html`<li>${detail}</li>`)}</ul>
    <${Tags} run=${run} key=${`tags ${run.key}`} />
  </header>`;
}

/** Return the address of the console lines that show the error. */
export const errorLink = () => href({ tab: "console", item: "error", find: "", line: null });

/** @param {{run: any}} properties */
function Reason({ run }) {
  if (!run.reason) return run.exit_code ? `: exit status ${run.exit_code}` : "";
  if (["finished", "running"].includes(run.state) || !(run.has_console || run.traceback)) return html`: <span class="wrap">${run.reason}</span>`;
  return html`: <a class="wrap" href=${errorLink()}>${run.reason}</a>`;
}

/** Warning if the last value of a metric is NaN or infinite. @param {{metrics: any[]}} properties */
function NotFinite({ metrics }) {
  const broken = metrics.filter(({ last }) => typeof last === "string");
  if (!broken.length) return null;
  return html`<p class="problems"><span>Not finite at the end: ${broken.slice(0, MOST_BROKEN).map(({ name, last }, index) => html`${index > 0 && ", "}<a href=${href({ tab: "curves", item: name })}>${name}</a> (${number(last)})`)}${broken[MOST_BROKEN] && "…"}</span></p>`;
}

/** @param {{parent: any}} properties */
function Parent({ parent: { key, id, name, kind, step, verdict } }) {
  const link = key ? html`<a href=${href({ page: "run", run: key })}>${name ?? id}</a>` : `${name ?? id} (deleted)`;
  if (kind === "fork") return html`<span>forked from ${link}${step !== null && ` at step ${step}`}</span>`;
  return html`<span>${kind} of ${link}${verdict && `: ${verdict.sentence ?? verdict.word}`}</span>`;
}

/** @param {{run: any}} properties */
function Name({ run }) {
  const [isEdited, setEdited] = useState(false);
  const save = (/** @type {string} */ name) => name && change(run, { name }, `Renamed to ${name}`);
  const archive = () => change(run, { archived: !run.archived }, `${run.archived ? "Unarchived" : "Archived"} ${run.name}`);
  useKeys("Run", readOnly.value ? {} : { a: { does: "Archive", run: archive }, Del: { does: "Delete", run: () => moveToTrash(run) } }, undefined, [run.name, run.archived, readOnly.value]);
  return html`<div class="run-name">
    <h1 class=${isEdited ? "only-read" : ""}>${run.name}</h1>
    ${isEdited ? html`<${EditField} label="Name of the run" value=${run.name} save=${save} leave=${() => setEdited(false)} />` : !readOnly.value && html`<${Button} quiet onClick=${() => setEdited(true)}>Rename</${Button}><${Button} quiet aria-keyshortcuts="a" onClick=${archive}>${run.archived ? "Unarchive" : "Archive"}</${Button}><${Button} quiet aria-keyshortcuts="Delete" onClick=${() => moveToTrash(run)}>Delete</${Button}>`}
  </div>`;
}

/** @param {{run: any}} properties */
function Tags({ run }) {
  const [isEdited, setEdited] = useState(false);
  const begin = () => setEdited(!readOnly.value);
  useKeys("Run", { e: { does: "Add a tag", run: begin } });
  const add = (/** @type {string} */ text) => {
    const tags = text.split(",").map((tag) => tag.trim()).filter(Boolean);
    if (tags.length) change(run, { add_tags: tags }, `Tagged ${tags.join(", ")}`);
  };
  const remove = (/** @type {string} */ tag) => () => change(run, { remove_tags: [tag] }, `Removed the tag ${tag}`);
  if (readOnly.value && !run.tags.length) return null;
  return html`<div class="run-tags">
    ${run.tags.map((/** @type {string} */ tag) => html`<${Tag} name=${tag} remove=${!readOnly.value && remove(tag)} key=${tag} />`)}
    ${isEdited ? html`<${EditField} label="New tags, separated by commas" value="" save=${add} leave=${() => setEdited(false)} />` : !readOnly.value && html`<${Button} quiet onClick=${begin}>Add tag</${Button}>`}
  </div>`;
}
