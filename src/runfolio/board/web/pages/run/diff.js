// @ts-check
import { integer, plural } from "../../format.js";
import { html } from "../../parts/html.js";

/** Number of lines after which the remaining files of a diff are folded. */
const MOST_OPEN = 1_000;
const SIGNS = /** @type {Record<string, [tag: string, said: string]>} */ ({ "+": ["ins", "added: "], "-": ["del", "removed: "] });

/**
 * Diff of files. Changes are marked by signs, words and underlines in addition to colour.
 * @param {{diff: any}} properties
 */
export function Diff({ diff }) {
  let shown = 0;
  return html`<div class="diff">
    ${diff.files.map((/** @type {any} */ file) => {
      shown += file.hunks.reduce((/** @type {number} */ sum, /** @type {any} */ hunk) => sum + hunk.lines.length, 0);
      return html`<details class="diff-file" open=${shown <= MOST_OPEN} key=${file.path}>
        <summary><span class="mono wrap">${file.path}</span> <span class="soft">${summary(file)}</span></summary>
        ${file.hunks.map((/** @type {any} */ hunk) => html`<${Hunk} hunk=${hunk} key=${hunk.old} />`)}
      </details>`;
    })}
    ${diff.left_out > 0 && html`<p class="soft">${integer(diff.left_out)} more lines are in the downloaded file.</p>`}
  </div>`;
}

/** @param {any} file */
function summary({ kind, added, removed }) {
  const counts = [added && plural(added, "line added", "lines added"), removed && plural(removed, "line removed", "lines removed")];
  return [kind === "changed" ? "" : kind, ...counts].filter(Boolean).join(", ");
}

/** @param {{hunk: any}} properties */
function Hunk({ hunk }) {
  let [old, now] = [hunk.old, hunk.new];
  return html`<div class="hunk" role="region" tabindex="0" aria-label=${`From line ${now}`}>
    <div class="hunk-lines">
      ${hunk.title && html`<div class="diff-line soft"><span></span><span></span><span></span><span>${hunk.title}</span></div>`}
      ${hunk.lines.map((/** @type {[string, [string, number][]]} */ [sign, pieces]) => {
        const numbers = sign === "\\" ? ["", ""] : [sign === "+" ? "" : old++, sign === "-" ? "" : now++];
        return html`<${Line} sign=${sign} pieces=${pieces} numbers=${numbers} />`;
      })}
    </div>
  </div>`;
}

/** @param {{sign: string, pieces: [string, number][], numbers: (number | string)[]}} properties */
function Line({ sign, pieces, numbers }) {
  const [tag, said] = SIGNS[sign] ?? ["", ""];
  const kind = tag === "ins" ? "added" : tag === "del" ? "removed" : "";
  return html`<div class=${`diff-line ${kind}`}>
    <span class="line-number" aria-hidden="true">${numbers[0]}</span><span class="line-number" aria-hidden="true">${numbers[1]}</span><span class="diff-sign" aria-hidden="true">${sign}</span
    ><span>${said && html`<span class="only-read">${said}</span>`}${pieces.map(([text, changed]) => (changed && tag ? html`<${tag}>${text}</${tag}>` : text))}</span>
  </div>`;
}
