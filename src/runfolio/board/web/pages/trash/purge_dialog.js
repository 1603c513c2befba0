// @ts-check
import { useState } from "preact/hooks";
import { post } from "../../api.js";
import { bytes, plural } from "../../format.js";
import { Button } from "../../parts/button.js";
import { Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";
import { html } from "../../parts/html.js";
import { say, sayError } from "../../parts/toast.js";

/**
 * Dialog that permanently removes runs. The user must first type the name of the run or the number of runs.
 * @param {{runs: any[], close: () => void, purged: () => void}} properties
 */
export function PurgeDialog({ runs, close, purged }) {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const confirm = runs.length === 1 ? runs[0].name : String(runs.length);
  const size = runs.reduce((sum, run) => sum + run.bytes, 0);
  const purge = async () => {
    setBusy(true);
    try {
      const { freed } = await post("api/trash", { action: "purge", runs: runs.map(({ id }) => id), confirm });
      say(`Permanently removed ${plural(runs.length, "run")} and freed ${bytes(freed)}.`);
      purged();
    } catch (error) {
      sayError(/** @type {any} */ (error));
      setBusy(false);
    }
  };
  const isConfirmed = typed === confirm && !busy;
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && isConfirmed && purge();
  return html`<${Dialog} title=${runs.length === 1 ? "Remove this run permanently?" : `Remove ${runs.length} runs permanently?`} close=${close}>
    <p>This frees ${bytes(size)}. It cannot be undone.</p>
    <${Field} label=${runs.length === 1 ? html`Type the name of the run: <code>${confirm}</code>` : html`Type the number of runs: <code>${confirm}</code>`} value=${typed} input=${setTyped} autofocus onKeyDown=${onKeyDown} />
    <div class="dialog-buttons">
      <${Button} onClick=${close}>Cancel</${Button}>
      <${Button} danger disabled=${!isConfirmed} onClick=${purge}>Remove permanently</${Button}>
    </div>
  </${Dialog}>`;
}
