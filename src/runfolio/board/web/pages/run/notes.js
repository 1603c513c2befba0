// @ts-check
import { useState } from "preact/hooks";
import { useKeys } from "../../keys.js";
import { Button } from "../../parts/button.js";
import { html } from "../../parts/html.js";
import { readOnly } from "../../store.js";
import { Section } from "./blocks.js";
import { EditField, change } from "./edit_field.js";
import { Markdown } from "./markdown.js";

/**
 * Notes of the run, written in Markdown.
 * @param {{run: any}} properties
 */
export function Notes({ run }) {
  const [isEdited, setEdited] = useState(false);
  const begin = () => setEdited(!readOnly.value);
  useKeys("Run", { n: { does: "Edit the notes", run: begin } });
  if (readOnly.value && !run.notes) return null;
  if (isEdited) {
    const save = (/** @type {string} */ notes) => change(run, { notes }, "Changed the notes");
    return html`<${Section} title="Notes"><${EditField} lines label="Notes in Markdown" value=${run.notes} save=${save} leave=${() => setEdited(false)} /></${Section}>`;
  }
  const button = !readOnly.value && html`<${Button} quiet onClick=${begin} aria-keyshortcuts="n">${run.notes ? "Edit" : "Write a note"}</${Button}>`;
  return html`<${Section} title="Notes" beside=${button}>${run.notes ? html`<${Markdown} tree=${run.notes_tree} />` : html`<p class="soft">What was tried, and what came of it. Markdown works.</p>`}</${Section}>`;
}
