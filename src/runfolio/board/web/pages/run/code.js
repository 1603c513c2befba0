// @ts-check
/** Code of a run: how it was started, its files, and the changes that were not committed. */
import { address, useResource } from "../../api.js";
import { bytes, integer, plural } from "../../format.js";
import { Copy } from "../../parts/copy.js";
import { Empty } from "../../parts/empty.js";
import { Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { href, patch, view } from "../../url.js";
import { Diff } from "./diff.js";
import { Lines } from "./lines.js";
import { blobPath, runPath } from "./state.js";

const CHANGES = "changes";

/** @param {{run: import("@preact/signals").Signal<any>}} properties */
export function Tab({ run: { value: run } }) {
  const lists = useResource(() => runPath("code"), { follow: null }, [run.key]);
  const data = lists.data.value;
  if (!data) return lists.error.value && html`<${Failure} error=${lists.error.value} retry=${lists.refresh} />`;
  const hasContent = data.files.length > 0 || data.diff;
  const chosen = view.item.value || (data.diff ? CHANGES : (data.files[0]?.path ?? ""));
  return html`<div class="code-tab">
    <${Start} data=${data} />
    ${data.problem && html`<p class="bad">${data.problem}</p>`}
    ${hasContent
      ? html`<div class="code-body"><${FileList} data=${data} chosen=${chosen} /><${Content} data=${data} chosen=${chosen} key=${chosen} /></div>`
      : html`<${Empty} title="No code was captured" code=${[{ text: "runfolio train --data digits", label: "command" }]}>Runs that start from a script keep the script, its modules and the changes that git does not have. Notebooks keep their cells.</${Empty}>`}
  </div>`;
}

/** @param {{data: any}} properties */
function Start({ data }) {
  const { command, files: _, ...facts } = data.facts;
  const packages = Object.entries(data.packages);
  return html`<div class="code-start">
    ${command && html`<${Copy} text=${command} label="recorded command" />`}
    <table class="facts"><tbody>${Object.entries(facts).map(([name, text]) => html`<tr key=${name}><th scope="row">${name}</th><td class="wrap">${text}</td></tr>`)}</tbody></table>
    ${packages.length > 0 && html`<details><summary>${plural(packages.length, "package")}</summary><ul class="packages mono">${packages.map(([name, version]) => html`<li key=${name}>${name} ${version}</li>`)}</ul></details>`}
  </div>`;
}

/** @param {{data: any, chosen: string}} properties */
function FileList({ data, chosen }) {
  const entries = [...(data.diff ? [{ path: CHANGES, title: "Uncommitted changes", bytes: data.diff.bytes }] : []), ...data.files];
  return html`<nav class="code-files" aria-label="Files">
    <select class="input only-narrow" aria-label="File" value=${chosen} onChange=${(/** @type {any} */ event) => patch({ item: event.currentTarget.value })}>${entries.map((file) => html`<option value=${file.path} key=${file.path}>${file.title ?? file.path}</option>`)}</select>
    <ul class="only-wide">${entries.map((file) => html`<li key=${file.path}><a href=${href({ item: file.path })} aria-current=${file.path === chosen ? "true" : undefined} title=${file.why ?? ""}><span class="wrap">${file.title ?? file.path}</span><span class="soft small">${bytes(file.bytes)}</span></a></li>`)}</ul>
    ${data.left_out.length > 0 && html`<details class="small"><summary>${plural(data.left_out.length, "file")} left out</summary><ul>${data.left_out.map((/** @type {any} */ file) => html`<li class="wrap" key=${file.path}>${file.path} <span class="soft">${file.why}</span></li>`)}</ul></details>`}
  </nav>`;
}

/** @param {{data: any, chosen: string}} properties */
function Content({ data, chosen }) {
  const file = data.files.find((/** @type {any} */ { path }) => path === chosen);
  const isDiff = chosen === CHANGES && data.diff;
  const path = isDiff ? runPath("code", { diff: 1 }) : file ? runPath("code", { file: file.sha }) : null;
  const content = useResource(() => path, { follow: null }, [path]);
  if (!path) return html`<p class="soft">This file was not captured.</p>`;
  if (content.error.value) return html`<${Failure} error=${content.error.value} retry=${content.refresh} />`;
  const answer = content.data.value;
  if (!answer) return html`<div class="code-content" aria-busy="true"></div>`;
  const download = html`<a class="button quiet" href=${address(blobPath(isDiff ? data.diff.sha : file.sha))} download>Download</a>`;
  if (isDiff) return html`<div class="code-content scrolls"><div class="code-head"><h2>Uncommitted changes</h2><span class="spread"></span>${download}</div><${Diff} diff=${answer} /></div>`;
  return html`<div class="code-content">
    <div class="code-head"><h2 class="mono wrap">${file.path}</h2><span class="spread"></span>${download}</div>
    ${answer.left_out > 0 && html`<p class="soft">The first ${integer(answer.lines.length)} lines; ${integer(answer.left_out)} more are in the file.</p>`}
    <${Lines} label=${file.path} count=${answer.lines.length} line=${(/** @type {number} */ index) => answer.lines[index]} />
  </div>`;
}
