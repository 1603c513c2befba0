// @ts-check
/** Code tab of a run: the command that started it, its files, and its uncommitted changes. */
import { bytes, integer, plural } from "../../format.js";
import { Copy } from "../../parts/copy.js";
import { Empty } from "../../parts/empty.js";
import { html } from "../../parts/html.js";
import { href, view } from "../../url.js";
import { Facts, Loaded } from "./blocks.js";
import { Diff } from "./diff.js";
import { Lines } from "./lines.js";
import { blobAddress, runPath } from "./state.js";

/** Content of the tab. */
export function Tab() {
  return html`<${Loaded} path=${runPath("code")}>${(/** @type {any} */ data) => html`<${Code} data=${data} />`}</${Loaded}>`;
}

/** @param {{data: any}} properties */
function Code({ data: { facts, files, diff, left_out: leftOut, packages, problem } }) {
  const { command, files: _, ...others } = facts;
  const changes = diff ? [{ path: "changes", title: "Uncommitted changes", isDiff: true, ...diff }] : [];
  const entries = [...changes, ...files];
  const chosen = entries.find(({ path }) => path === view.item.value) ?? entries[0];
  const installed = Object.entries(packages);
  return html`<div class="code-tab">
    <div class="code-start">
      ${command && html`<${Copy} text=${command} label="recorded command" />`}
      <${Facts} rows=${Object.entries(others)} />
      ${installed.length > 0 && html`<details><summary>${plural(installed.length, "package")}</summary><p class="packages mono">${installed.map(([name, version]) => `${name} ${version}\n`)}</p></details>`}
      ${problem && html`<p class="bad">${problem}</p>`}
    </div>
    ${chosen
      ? html`<div class="code-body"><${FileList} entries=${entries} chosen=${chosen} leftOut=${leftOut} /><${Content} file=${chosen} key=${chosen.path} /></div>`
      : html`<${Empty} title="No code was captured">A run that starts from a script records the script, its modules and the uncommitted changes. A run in a notebook records the cells.</${Empty}>`}
  </div>`;
}

/** @param {{entries: any[], chosen: any, leftOut: any[]}} properties */
function FileList({ entries, chosen, leftOut }) {
  return html`<nav class="code-files" aria-label="Files">
    ${entries.map(({ path, title = path, bytes: size, why }) => html`<a href=${href({ item: path })} aria-current=${path === chosen.path} title=${why} key=${path}><span class="wrap">${title}</span><span class="soft small">${bytes(size)}</span></a>`)}
    ${leftOut.length > 0 && html`<details class="small"><summary>${plural(leftOut.length, "file")} left out</summary>${leftOut.map(({ path, why }) => html`<p class="wrap" key=${path}>${path} <span class="soft">${why}</span></p>`)}</details>`}
  </nav>`;
}

/** @param {{file: any}} properties */
function Content({ file: { path, title = path, sha, isDiff = false } }) {
  return html`<div class=${`code-content ${isDiff ? "scrolls" : ""}`}>
    <div class="code-head"><h2 class="wrap">${title}</h2><a class="button quiet" href=${blobAddress(sha)} download>Download</a></div>
    <${Loaded} path=${runPath("code", isDiff ? { diff: 1 } : { file: sha })}>${(/** @type {any} */ answer) => (isDiff ? html`<${Diff} diff=${answer} />` : html`<${Text} path=${path} answer=${answer} />`)}</${Loaded}>
  </div>`;
}

/** @param {{path: string, answer: any}} properties */
function Text({ path, answer: { lines, left_out: leftOut } }) {
  return html`${leftOut > 0 && html`<p class="soft">The first ${integer(lines.length)} lines are shown. The file has ${integer(leftOut)} more.</p>`}<${Lines} label=${path} count=${lines.length} line=${(/** @type {number} */ index) => lines[index]} />`;
}
