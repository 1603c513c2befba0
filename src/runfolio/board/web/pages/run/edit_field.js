// @ts-check
import { post } from "../../api.js";
import { Button } from "../../parts/button.js";
import { html } from "../../parts/html.js";
import { say, sayError } from "../../parts/toast.js";
import { edit } from "../../store.js";
import { patch } from "../../url.js";

/**
 * Field that edits a value of the run. Enter saves it (Ctrl-Enter in a field with several lines), and Escape cancels.
 * @param {{label: string, value: string, lines?: boolean, save: (text: string) => void, leave: () => void}} properties
 */
export function EditField({ label, value, lines = false, save, leave }) {
  let text = value;
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    leave();
    if (text.trim() !== value) save(text.trim());
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
    if (event.key !== "Escape") return;
    event.stopPropagation();
    leave();
  };
  return html`<form class=${`edit-field ${lines ? "has-lines" : ""}`} onSubmit=${submit} onKeyDown=${onKeyDown}>
    <${lines ? "textarea" : "input"} class="input" aria-label=${label} rows=${lines ? 8 : undefined} defaultValue=${value} ref=${select} onInput=${(/** @type {any} */ event) => (text = event.currentTarget.value)} />
    <span><${Button} acts type="submit">Save</${Button}><${Button} quiet onClick=${leave}>Cancel</${Button}></span>
  </form>`;
}

/**
 * Change the run, and show a message that offers to undo the change.
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

/**
 * Move the run to the trash, and open the page of its experiment.
 * @param {any} run
 */
export async function moveToTrash({ key, name, experiment }) {
  try {
    const { undo } = await post("api/trash", { action: "put", runs: [key] });
    patch({ page: "experiment", experiment, run: null });
    say(`Moved ${name} to the trash.`, { undo: () => post("api/undo", { undo }) });
  } catch (error) {
    sayError(/** @type {any} */ (error));
  }
}

/**
 * Select the text of a new field. Preact calls this function only once per field, because the function never changes.
 * @param {HTMLInputElement | null} field
 */
const select = (field) => field?.select();
