// @ts-check
/** Code tab of a run: the command that started it, its files, and its uncommitted changes. */
import { useMemo } from "preact/hooks";
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
function Code({ data: { facts, files, diff, left_out: leftOut, packages, problem, error } }) {
  const { command, files: _, ...others } = facts;
  const changes = diff ? [{ path: "changes", title: "Uncommitted changes", isDiff: true, ...diff }] : [];
  const entries = [...changes, ...files];
  const chosen = [view.item.value, error?.path].map((wanted) => entries.find(({ path }) => path === wanted)).find(Boolean) ?? entries[0];
  const installed = Object.entries(packages);
  return html`<div class="code-tab">
    <div class="code-start">
      ${command && html`<${Copy} text=${command} label="recorded command" />`}
      <${Facts} rows=${Object.entries(others)} />
      ${installed.length > 0 && html`<details><summary>${plural(installed.length, "package")}</summary><p class="packages mono">${installed.map(([name, version]) => `${name} ${version}\n`)}</p></details>`}
      ${problem && html`<p class="bad">${problem}</p>`}
    </div>
    ${chosen
      ? html`<div class="code-body"><${FileList} entries=${entries} chosen=${chosen} leftOut=${leftOut} /><${Content} file=${chosen} error=${chosen.path === error?.path ? error.line : null} key=${chosen.path} /></div>`
      : html`<${Empty} title="No code was captured">Runs record their script, its modules, uncommitted changes, and cells of notebooks.</${Empty}>`}
  </div>`;
}

/** @param {{entries: any[], chosen: any, leftOut: any[]}} properties */
function FileList({ entries, chosen, leftOut }) {
  return html`<nav class="code-files" aria-label="Files">
    ${entries.map(({ path, title = path, bytes: size, why }) => html`<a href=${href({ item: path })} aria-current=${path === chosen.path} title=${why} key=${path}><span class="wrap">${title}</span><span class="soft small">${bytes(size)}</span></a>`)}
    ${leftOut.length > 0 && html`<details class="small"><summary>${plural(leftOut.length, "file")} left out</summary>${leftOut.map(({ path, why }) => html`<p class="wrap" key=${path}>${path} <span class="soft">${why}</span></p>`)}</details>`}
  </nav>`;
}

/** @param {{file: any, error: number | null}} properties `error` is the number of the line that raised the error */
function Content({ file: { path, title = path, sha, isDiff = false }, error }) {
  return html`<div class=${`code-content ${isDiff ? "scrolls" : ""}`}>
    <div class="code-head"><h2 class="wrap">${title}</h2><a class="button quiet" href=${blobAddress(sha)} download>Download</a></div>
    <${Loaded} path=${runPath("code", isDiff ? { diff: 1 } : { file: sha })}>${(/** @type {any} */ answer) => (isDiff ? html`<${Diff} diff=${answer} />` : html`<${Text} path=${path} answer=${answer} error=${error} />`)}</${Loaded}>
  </div>`;
}

/** @param {{path: string, answer: any, error: number | null}} properties */
function Text({ path, answer: { lines, left_out: leftOut }, error }) {
  const target = useMemo(() => error && { index: error - 1 }, [error]);
  return html`${error && html`<p class="bad">Line ${error} raised the error that ended the run.</p>`}${leftOut > 0 && html`<p class="soft">The first ${integer(lines.length)} lines are shown. The file has ${integer(leftOut)} more.</p>`}<${Lines} label=${path} count=${lines.length} line=${(/** @type {number} */ index) => lines[index]} target=${target} classOf=${(/** @type {number} */ index) => (index + 1 === error ? "is-error" : "")} />`;
}
