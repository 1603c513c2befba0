// @ts-check
/** Files of a run: what is stored, how large it is, and the artifacts. */
import { address, useResource } from "../../api.js";
import { ago, bytes, integer, moment, plural } from "../../format.js";
import { Copy, CopyButton } from "../../parts/copy.js";
import { Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { blobPath, concernsRun, runPath } from "./state.js";

/** @param {{run: import("@preact/signals").Signal<any>}} properties */
export function Tab({ run: { value: run } }) {
  const files = useResource(() => runPath("files"), { follow: (event) => event.runs !== null && concernsRun(event) }, [run.key]);
  const data = files.data.value;
  if (!data) return files.error.value && html`<${Failure} error=${files.error.value} retry=${files.refresh} />`;
  return html`<div class="files">
    <p class="files-folder"><span class="mono wrap">${data.folder}</span><${CopyButton} text=${data.folder} label="path of the folder" /></p>
    <${Artifacts} artifacts=${data.artifacts} />
    <section aria-labelledby="stored-title">
      <h2 id="stored-title">Stored files <span class="soft">${bytes(data.bytes)}</span></h2>
      ${data.groups.map((/** @type {any} */ group) => html`<${Group} group=${group} key=${group.name} />`)}
    </section>
  </div>`;
}

/** @param {{artifacts: any[]}} properties */
function Artifacts({ artifacts }) {
  return html`<section aria-labelledby="artifacts-title">
    <h2 id="artifacts-title">Artifacts</h2>
    ${!artifacts.length && html`<p class="soft">Files that belong to the run, such as a report or an exported model, are kept with it:</p><${Copy} text=${'run.artifact("report.html")'} label="line of Python" />`}
    ${artifacts.map((artifact) => html`<details open=${artifacts.length < 4} key=${artifact.name}>
      <summary><strong>${artifact.name}</strong> <span class="soft">${[artifact.type, plural(artifact.files.length + (artifact.left_out ?? 0), "file"), artifact.bytes !== undefined && bytes(artifact.bytes), artifact.saved && ago(artifact.saved)].filter(Boolean).join(", ")}</span></summary>
      ${artifact.problem && html`<p class="bad">${artifact.problem}</p>`}
      <table class="list"><tbody>${artifact.files.map((/** @type {any} */ file) => html`<tr key=${file.path}><th scope="row" class="mono wrap">${file.path}</th><td class="number">${bytes(file.bytes)}</td><td class="number"><a href=${address(blobPath(file.sha))} download aria-label=${`Download ${file.path}`}>Download</a></td></tr>`)}</tbody></table>
    </details>`)}
  </section>`;
}

/** @param {{group: any}} properties */
function Group({ group }) {
  const rest = group.files - group.entries.length;
  return html`<details>
    <summary><span class="group-name mono">${group.name ? `${group.name}/` : "run folder"}</span> <span class="soft">${group.what}</span><span class="spread"></span><span class="soft number">${plural(group.files, "file")}, ${bytes(group.bytes)}</span></summary>
    <table class="list"><tbody>${group.entries.map((/** @type {any} */ file) => html`<tr key=${file.path}><th scope="row" class="mono wrap">${file.path}</th><td class="number">${file.kind ?? bytes(file.bytes)}</td><td class="soft" title=${moment(file.modified)}>${ago(file.modified)}</td></tr>`)}</tbody></table>
    ${rest > 0 && html`<p class="soft">and ${integer(rest)} more</p>`}
  </details>`;
}
