// @ts-check
/** Files tab of a run: its artifacts, and all stored files with their sizes. */
import { ago, bytes, integer, moment, plural } from "../../format.js";
import { CopyButton } from "../../parts/copy.js";
import { html } from "../../parts/html.js";
import { Lesson, List, Loaded, Section } from "./blocks.js";
import { blobAddress, runChanged, runPath } from "./state.js";

/** Content of the tab. */
export function Tab() {
  return html`<${Loaded} path=${runPath("files")} follow=${runChanged}>${files}</${Loaded}>`;
}

/** @param {any} data */
function files({ folder, artifacts, groups, bytes: total }) {
  return html`<div class="files">
    <p class="files-folder"><span class="mono wrap">${folder}</span><${CopyButton} text=${folder} label="path of the folder" /></p>
    <${Section} title="Artifacts">
      ${artifacts.length ? artifacts.map((/** @type {any} */ artifact) => html`<${Artifact} artifact=${artifact} key=${artifact.name} />`) : html`<${Lesson} text="Store files that belong to the run, such as a report or an exported model:" line=${'run.artifact("report.html")'} />`}
    </${Section}>
    <${Section} title="Stored files" beside=${html`<span class="soft">${bytes(total)}</span>`}>${groups.map((/** @type {any} */ group) => html`<${Group} group=${group} key=${group.name} />`)}</${Section}>
  </div>`;
}

/** @param {{artifact: any}} properties */
function Artifact({ artifact: { name, type, files: entries, left_out: rest = 0, bytes: size = 0, saved, problem } }) {
  const facts = [type, plural(entries.length + rest, "file"), bytes(size), saved && ago(saved)].filter(Boolean).join(", ");
  return html`<details open>
    <summary><strong>${name}</strong> <span class="soft">${facts}</span></summary>
    ${problem && html`<p class="bad">${problem}</p>`}
    <${FileList} entries=${entries} last=${(/** @type {any} */ { path, sha }) => html`<a href=${blobAddress(sha)} download aria-label=${`Download ${path}`}>Download</a>`} />
  </details>`;
}

/** @param {{group: any}} properties */
function Group({ group: { name, what, files: count, bytes: size, entries } }) {
  return html`<details>
    <summary><span class="mono">${name ? `${name}/` : "run folder"}</span><span class="soft">${what}</span><span class="soft">${plural(count, "file")}, ${bytes(size)}</span></summary>
    <${FileList} entries=${entries} last=${(/** @type {any} */ { modified }) => html`<span class="soft" title=${moment(modified)}>${ago(modified)}</span>`} />
    ${count > entries.length && html`<p class="soft">and ${integer(count - entries.length)} more</p>`}
  </details>`;
}

/** @param {{entries: any[], last: (file: any) => any}} properties `last` returns the last cell of a file */
function FileList({ entries, last }) {
  return html`<${List} label="Files" entries=${entries} columns=${[["", pathOf, "mono wrap"], ["", sizeOf, "number"], ["", last, "number"]]} />`;
}

const pathOf = (/** @type {any} */ { path }) => path;
const sizeOf = (/** @type {any} */ { kind, bytes: size }) => kind ?? bytes(size);
