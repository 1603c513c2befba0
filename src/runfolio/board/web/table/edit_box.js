// @ts-check
/** Small form that renames a run, or changes the tags or the note of runs. */
import { useState } from "preact/hooks";
import { Button } from "../parts/button.js";
import { html } from "../parts/html.js";
import { Tag } from "../parts/tag.js";
import { Popover } from "./popover.js";

const TITLES = { name: "Rename", tags: "Tags", notes: "Note" };

/**
 * @typedef {object} Edit
 * @property {"name"|"tags"|"notes"} field
 * @property {any[]} rows Runs to change.
 * @property {{left: number, top: number, bottom: number}} place
 */

/**
 * @param {{edit: Edit, known: string[], save: (rows: any[], set: Record<string, any>) => void, close: () => void}} props
 *   `known` are the tags of other runs.
 */
export function EditBox({ edit, known, save, close }) {
  const { field, rows, place } = edit;
  const what = rows.length === 1 ? rows[0].name || rows[0].label : `${rows.length} runs`;
  const done = (/** @type {Record<string, any> | null} */ set) => {
    close();
    if (set) save(rows, set);
  };
  return html`<${Popover} label=${`${TITLES[field]} of ${what}`} place=${place} close=${close} class="edit">
    <h2 class="one-line">${TITLES[field]} <span class="soft">${what}</span></h2>
    ${field === "tags" ? html`<${Tags} rows=${rows} known=${known} done=${done} close=${close} />` : html`<${Text} field=${field} value=${rows[0][field] ?? ""} done=${done} close=${close} />`}
  </${Popover}>`;
}

/** @param {{field: "name"|"notes", value: string, done: (set: any) => void, close: () => void}} props */
function Text({ field, value, done, close }) {
  const [text, setText] = useState(value);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    done(text.trim() === value ? null : { [field]: text.trim() });
  };
  const props = {
    class: "input",
    "aria-label": TITLES[field],
    value: text,
    onInput: (/** @type {any} */ event) => setText(event.currentTarget.value),
  };
  const saves = (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && !event.shiftKey && submit(event);
  return html`<form onSubmit=${submit}>
    ${field === "notes" ? html`<textarea rows="4" onKeyDown=${saves} ...${props}></textarea>` : html`<input onFocus=${(/** @type {any} */ event) => event.currentTarget.select()} ...${props} />`}
    <${Foot} close=${close} hint=${field === "notes" ? "Shift-Enter for a new line" : ""} />
  </form>`;
}

/** @param {{rows: any[], known: string[], done: (set: any) => void, close: () => void}} props */
function Tags({ rows, known, done, close }) {
  const counts = new Map();
  for (const row of rows) for (const tag of row.tags ?? []) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  const [removed, setRemoved] = useState(/** @type {string[]} */ ([]));
  const [text, setText] = useState("");
  const kept = [...counts.keys()].filter((tag) => !removed.includes(tag));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const added = text.split(",").map((tag) => tag.trim()).filter(Boolean);
    const set = { ...(added.length && { add_tags: added }), ...(removed.length && { remove_tags: removed }) };
    done(Object.keys(set).length ? set : null);
  };
  return html`<form onSubmit=${submit}>
    ${kept.length > 0 && html`<p class="tags">${kept.map((tag) => html`<${Tag} key=${tag} name=${counts.get(tag) < rows.length ? `${tag} (${counts.get(tag)})` : tag} remove=${() => setRemoved([...removed, tag])} />`)}</p>`}
    <input class="input" aria-label="New tag" placeholder="New tag" list="known-tags" value=${text} onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)} />
    <datalist id="known-tags">${known.filter((tag) => !counts.has(tag)).map((tag) => html`<option key=${tag} value=${tag} />`)}</datalist>
    <${Foot} close=${close} hint="Separate tags with commas" />
  </form>`;
}

/** @param {{close: () => void, hint: string}} props */
function Foot({ close, hint }) {
  return html`<div class="edit-foot">
    <span class="soft small">${hint}</span>
    <${Button} quiet onClick=${close}>Cancel</${Button}>
    <${Button} acts type="submit">Save</${Button}>
  </div>`;
}
