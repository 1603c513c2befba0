// @ts-check
import { useEffect, useState } from "preact/hooks";
import { get } from "../../api.js";
import { plural } from "../../format.js";
import { Button } from "../../parts/button.js";
import { Empty } from "../../parts/empty.js";
import { html } from "../../parts/html.js";
import { conditions, without } from "../../table/filter_text.js";
import { patch, view } from "../../url.js";
import { runsPath } from "./state.js";

const MOST = 6;

/**
 * Message for a filter that no run matches. It underlines the condition that excludes most runs and offers to remove
 * it.
 */
export function NoMatch() {
  const where = view.where.value;
  const parts = conditions(where);
  const [worst, setWorst] = useState({ where: "", index: -1, total: 0 });
  useEffect(() => {
    const abort = new AbortController();
    findWorst(where, abort.signal).then(setWorst, () => {});
    return () => abort.abort();
  }, [where]);
  const known = worst.where === where && worst.total > 0;
  const text = parts.map((part, index) => html`${index > 0 && " AND "}${known && index === worst.index ? html`<u>${part.text}</u>` : part.text}`);
  return html`<${Empty} title="No run matches the filter">
    <p><code class="mistake">${text}</code></p>
    ${known && html`<p>Without the underlined condition, the filter matches ${plural(worst.total, "run")}.</p>`}
    <p class="empty-buttons">
      ${known && parts.length > 1 && html`<${Button} onClick=${() => patch({ where: without(where, worst.index) })}>Remove the condition</${Button}>`}
      <${Button} acts onClick=${() => patch({ where: "" })}>Clear the filter</${Button}>
      ${!view.archived.value && html`<${Button} onClick=${() => patch({ archived: true })}>Include archived runs</${Button}>`}
    </p>
  </${Empty}>`;
}

/** Find the condition whose removal makes the most runs match. @param {string} where @param {AbortSignal} signal */
async function findWorst(where, signal) {
  const count = Math.min(MOST, conditions(where).length);
  const paths = Array.from({ length: count }, (_, index) => runsPath(0, 0, { where: without(where, index), group: "" }));
  const totals = await Promise.all(paths.map(async (path) => (await get(path, { signal })).total));
  const total = Math.max(...totals);
  return { where, index: totals.indexOf(total), total };
}
