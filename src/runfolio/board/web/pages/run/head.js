// @ts-check
import { useState } from "preact/hooks";
import { ago, moment } from "../../format.js";
import { useKeys } from "../../keys.js";
import { Button } from "../../parts/button.js";
import { html } from "../../parts/html.js";
import { State } from "../../parts/state.js";
import { Tag } from "../../parts/tag.js";
import { say, sayError } from "../../parts/toast.js";
import { edit, readOnly } from "../../store.js";
import { href } from "../../url.js";
import { afterState, relationTexts } from "./statement.js";

/**
 * Name, state and end of the run, its relations, and its tags.
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
  ].filter(Boolean);
  return html`<header class="run-head">
    <${Name} run=${run} key=${run.key} />
    <p class="run-sentence"><${State} state=${run.state} />${afterState(run)}<${Reason} run=${run} /></p>
    <ul class="run-details soft">${details.map((detail) => html`<li>${detail}</li>`)}</ul>
    <${Tags} run=${run} />
  </header>`;
}

/** Reason of the end, which leads to the lines of the console that show it. @param {{run: any}} properties */
function Reason({ run }) {
  if (!run.reason) return run.exit_code ? `: exit status ${run.exit_code}` : "";
  if (run.state === "finished" || run.state === "running" || !run.has_console) return html`: <span class="wrap">${run.reason}</span>`;
  const target = href({ tab: "console", item: "error", find: "", line: null });
  return html`: <a class="wrap" href=${target} title="Show where the console says so">${run.reason}</a>`;
}

/** @param {{parent: any}} properties */
function Parent({ parent }) {
  const name = parent.name ?? parent.id;
  const link = parent.key ? html`<a href=${href({ page: "run", run: parent.key })}>${name}</a>` : html`<span title="This run was deleted">${name}</span>`;
  if (parent.kind !== "fork") return html`<span>${parent.kind} of ${link}${parent.verdict && `: ${parent.verdict.sentence ?? parent.verdict.word}`}</span>`;
  return html`<span>forked from ${link}${parent.step === null ? "" : ` at step ${parent.step}`}</span>`;
}

/** @param {{run: any}} properties */
function Name({ run }) {
  const [text, setText] = useState(/** @type {string | null} */ (null));
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const name = (text ?? "").trim();
    setText(null);
    if (name && name !== run.name) await change(run, { name }, `Renamed to ${name}`);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    setText(null);
  };
  if (text === null) {
    return html`<div class="run-name"><h1>${run.name}</h1>${!readOnly.value && html`<${Button} quiet onClick=${() => setText(run.name)}>Rename</${Button}>`}</div>`;
  }
  return html`<form class="run-name" onSubmit=${save} onKeyDown=${onKeyDown}>
    <h1 class="only-read">${run.name}</h1>
    <input class="input" aria-label="Name of the run" value=${text} ref=${focus} maxlength="500" onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)} />
    <${Button} acts type="submit">Save</${Button}><${Button} quiet onClick=${() => setText(null)}>Cancel</${Button}>
  </form>`;
}

/** @param {{run: any}} properties */
function Tags({ run }) {
  const [text, setText] = useState(/** @type {string | null} */ (null));
  useKeys("Run", { e: { does: "Add a tag", run: () => !readOnly.value && setText("") } });
  const add = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const tags = (text ?? "").split(",").map((tag) => tag.trim()).filter(Boolean);
    setText(null);
    if (tags.length) await change(run, { add_tags: tags }, `Tagged ${tags.join(", ")}`);
  };
  const remove = (/** @type {string} */ tag) => change(run, { remove_tags: [tag] }, `Removed the tag ${tag}`);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    setText(null);
  };
  if (readOnly.value && !run.tags.length) return null;
  return html`<div class="run-tags">
    ${run.tags.map((/** @type {string} */ tag) => html`<${Tag} name=${tag} remove=${readOnly.value ? undefined : () => remove(tag)} key=${tag} />`)}
    ${!readOnly.value && text === null && html`<${Button} quiet class="small" onClick=${() => setText("")}>Add tag</${Button}>`}
    ${text !== null && html`<form onSubmit=${add} onKeyDown=${onKeyDown}><input class="input" aria-label="New tags, with commas between them" placeholder="tag, tag" ref=${focus} onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)} onBlur=${add} /></form>`}
  </div>`;
}

/**
 * Change the run, and offer to take it back.
 * @param {any} run
 * @param {Parameters<typeof edit>[1]} set
 * @param {string} said
 */
export async function change(run, set, said) {
  try {
    const { undo } = await edit([run.key], set);
    say(said, { undo });
  } catch (error) {
    sayError(/** @type {any} */ (error));
  }
}

/** @param {HTMLInputElement | null} input */
function focus(input) {
  if (!input || input.dataset.focused) return;
  input.dataset.focused = "1";
  input.focus();
  input.select();
}
