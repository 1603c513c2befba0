// @ts-check
/** Values of the runs at the x value that the user pinned in the charts. The table shows these values. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { useResource } from "../../api.js";
import { curvesPath } from "../../charts/curves.js";
import { readLines } from "../../charts/lines.js";
import { nearestIndex } from "../../charts/strip.js";
import { view } from "../../url.js";
import { drawn, pinned, runs } from "./state.js";

const MOST_METRICS = 12;
const NO_SPLITS = new Map();

/**
 * Set `pinned` to the values of the visible metrics at the x value that the user pinned.
 * @param {import("../../charts/panels.js").PanelGroup[]} groups
 * @param {import("@preact/signals").Signal<ReadonlySet<string>>} seen Visible quantities.
 */
export function usePinnedValues(groups, seen) {
  const all = useSignal(groups);
  useEffect(() => {
    all.value = groups;
  }, [groups]);
  const answer = useResource(() => path(all.value, seen.value), { binary: true, follow: "points" });
  const data = answer.data.value;
  const at = view.at.value;
  const values = useMemo(() => (data && at !== null ? valuesAt(data, at) : new Map()), [data, at]);
  useEffect(() => {
    pinned.value = at === null ? null : { x: at, values };
  }, [at, values]);
}

/** @param {import("../../charts/panels.js").PanelGroup[]} groups @param {ReadonlySet<string>} seen */
function path(groups, seen) {
  const at = view.at.value;
  const keys = [...new Set([...drawn.value, ...(runs.data.value?.keys ?? [])])];
  if (at === null || !keys.length || view.group.value) return null;
  const panels = groups.flatMap((group) => group.panels).filter((panel) => seen.has(panel.quantity));
  const metrics = panels.flatMap((panel) => panel.metrics.map(({ name }) => name)).slice(0, MOST_METRICS);
  return metrics.length ? curvesPath({ runs: keys, metrics, x: view.x.value, from: at, to: at, px: 50 }) : null;
}

/**
 * Return, for each run, the value of each metric at the recorded point nearest to `x`.
 * @param {{head: any, data: Float64Array}} answer
 * @param {number} x
 */
export function valuesAt(answer, x) {
  /** @type {Map<string, Record<string, number>>} */
  const values = new Map();
  for (const line of readLines(answer, NO_SPLITS)) {
    const index = line.abandoned || line.run === null ? -1 : nearestIndex(line, x);
    if (index >= 0) values.set(/** @type {string} */ (line.run), { ...values.get(/** @type {string} */ (line.run)), [line.metric]: line.y[index] });
  }
  return values;
}
