// @ts-check
import { useState } from "preact/hooks";
import { useKeys } from "../../keys.js";
import { Button } from "../../parts/button.js";
import { html } from "../../parts/html.js";
import { readOnly } from "../../store.js";
import { change } from "./head.js";
import { Markdown } from "./markdown.js";

/**
 * Notes of the run, written in Markdown.
 * @param {{run: any}} properties
 */
export function Notes({ run }) {
  const [text, setText] = useState(/** @type {string | null} */ (null));
  const begin = () => !readOnly.value && setText(run.notes);
  useKeys("Run", { n: { does: "Edit the notes", run: begin } }, undefined, [run.notes]);
  if (readOnly.value && !run.notes) return null;
  const save = async () => {
    setText(null);
    if (text !== null && text !== run.notes) await change(run, { notes: text }, "Changed the notes");
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") setText(null);
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<section aria-labelledby="notes-title">
    <div class="section-head"><h2 id="notes-title">Notes</h2>${!readOnly.value && text === null && html`<${Button} quiet onClick=${begin} aria-keyshortcuts="n">${run.notes ? "Edit" : "Write a note"}</${Button}>`}</div>
    ${text === null
      ? run.notes
        ? html`<${Markdown} tree=${run.notes_tree} />`
        : html`<p class="soft">What was tried, and what came of it. Markdown works.</p>`
      : html`<div class="notes-editor" onKeyDown=${onKeyDown}>
          <textarea class="input" aria-label="Notes in Markdown" rows="8" value=${text} ref=${focus} onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)}></textarea>
          <div class="notes-buttons"><${Button} acts onClick=${save}>Save</${Button}><${Button} quiet onClick=${() => setText(null)}>Cancel</${Button}><span class="soft small">Ctrl-Enter saves</span></div>
        </div>`}
  </section>`;
}

/** @param {HTMLTextAreaElement | null} field */
function focus(field) {
  if (!field || field.dataset.focused) return;
  field.dataset.focused = "1";
  field.focus();
}
