// @ts-check
/** Page of the trash. It lists deleted runs, and can restore them or remove them permanently. */
import { useEffect, useState } from "preact/hooks";
import { post, useResource } from "../../api.js";
import { ago, bytes, moment, plural } from "../../format.js";
import { Button } from "../../parts/button.js";
import { Empty } from "../../parts/empty.js";
import { Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { Middle } from "../../parts/middle.js";
import { say, sayError } from "../../parts/toast.js";
import { readOnly } from "../../store.js";
import { PurgeDialog } from "./purge_dialog.js";

/** The page of the trash. */
export function Page() {
  const trash = useResource(() => "api/trash");
  const [chosen, setChosen] = useState(/** @type {Set<string>} */ (new Set()));
  const [purging, setPurging] = useState(/** @type {any[] | null} */ (null));
  useEffect(() => {
    document.title = "Trash · runfolio";
  }, []);
  const runs = trash.data.value?.runs ?? [];
  const selected = runs.filter((/** @type {any} */ run) => chosen.has(run.id));
  const toggle = (/** @type {string} */ id) => setChosen(new Set(chosen.has(id) ? [...chosen].filter((other) => other !== id) : [...chosen, id]));
  const forget = () => {
    setPurging(null);
    setChosen(new Set());
    trash.refresh();
  };
  return html`<div class="trash">
    <h1>Trash</h1>
    <${Failure} error=${trash.error.value} retry=${trash.refresh} />
    ${trash.data.value && runs.length === 0 && html`<${NothingDeleted} />`}
    ${runs.length > 0 &&
    html`<p class="soft text">${plural(runs.length, "deleted run")}, ${bytes(trash.data.value.total_bytes)}.</p>
      <div class="trash-tools">
        <${Button} acts disabled=${!selected.length || readOnly.value} onClick=${() => restore(selected).then(forget)}>Restore</${Button}>
        <${Button} danger disabled=${!selected.length || readOnly.value} onClick=${() => setPurging(selected)}>Remove permanently …</${Button}>
        <span class="soft small">${selected.length > 0 && `${plural(selected.length, "run")} selected`}</span>
      </div>
      <${DeletedRuns} runs=${runs} chosen=${chosen} toggle=${toggle} toggleAll=${() => setChosen(new Set(selected.length < runs.length ? runs.map((/** @type {any} */ run) => run.id) : []))} />`}
    ${purging && html`<${PurgeDialog} runs=${purging} close=${() => setPurging(null)} purged=${forget} />`}
  </div>`;
}

function NothingDeleted() {
  return html`<${Empty} title="The trash is empty" code=${[{ text: `runfolio delete --where "state = 'failed'"`, label: "command that moves the failed runs to the trash" }]}>
    Deleted runs are kept here until they are permanently removed. To delete runs, select them on the page of an experiment and press Del.
  </${Empty}>`;
}

/** @param {{runs: any[], chosen: Set<string>, toggle: (id: string) => void, toggleAll: () => void}} properties */
function DeletedRuns({ runs, chosen, toggle, toggleAll }) {
  return html`<div class="trash-scroller"><table class="trash-table">
    <thead>
      <tr>
        <th><input type="checkbox" aria-label="Select all" checked=${chosen.size > 0 && chosen.size === runs.length} onChange=${toggleAll} /></th>
        <th>Run</th><th>Experiment</th><th class="number">Size</th><th>Deleted</th>
      </tr>
    </thead>
    <tbody>
      ${runs.map(
        (run) => html`<tr key=${run.id} class=${chosen.has(run.id) ? "selected" : ""} onClick=${(/** @type {any} */ event) => event.target.tagName !== "INPUT" && toggle(run.id)}>
          <td><input type="checkbox" aria-label=${`Select ${run.name}`} checked=${chosen.has(run.id)} onChange=${() => toggle(run.id)} /></td>
          <td class="trash-name"><${Middle} text=${run.name} />${run.reason && html`<span class="soft small">${run.reason}</span>`}</td>
          <td class="trash-name soft"><${Middle} text=${run.experiment ?? ""} /></td>
          <td class="number">${bytes(run.bytes)}</td>
          <td class="soft"><time title=${moment(run.deleted)}>${ago(run.deleted)}</time></td>
        </tr>`,
      )}
    </tbody>
  </table></div>`;
}

/** @param {any[]} runs */
async function restore(runs) {
  try {
    const { undo } = await post("api/trash", { action: "restore", runs: runs.map(({ id }) => id) });
    say(`Restored ${runs.length === 1 ? runs[0].name : plural(runs.length, "run")}.`, { undo: undo && (() => post("api/undo", { undo })) });
  } catch (error) {
    sayError(/** @type {any} */ (error));
  }
}
