// @ts-check
/** Keys of the charts. */
import { nextSmoothing } from "../../charts/smoothing.js";
import { useKeys } from "../../keys.js";
import { patch, view } from "../../url.js";

/**
 * @param {{
 *   full: import("@preact/signals").Signal<string | null>,
 *   current: {current: string | null},
 *   isActive: boolean,
 *   axis: import("../../charts/x_axis.js").SharedAxis,
 * }} charts `current` is the panel under the pointer or with the focus. `isActive` is true if the pointer or the focus
 *   is in the charts.
 */
export function useChartKeys({ full, current, isActive, axis }) {
  const smooth = (/** @type {1 | -1} */ direction) => () => patch({ smooth: nextSmoothing(view.smooth.peek(), direction) }, { replace: true });
  useKeys("Charts", {
    s: { does: "Smooth more", run: smooth(1) },
    S: { does: "Smooth less", run: smooth(-1) },
    l: { does: "Logarithmic y axis", run: () => toggleLog("y") },
    f: { does: "Show the chart under the pointer in full screen", run: () => (full.value = full.peek() ? null : current.current) },
  });
  const inCharts = {
    x: { does: "Logarithmic x axis", run: () => toggleLog("x") },
    y: { does: "Logarithmic y axis", run: () => toggleLog("y") },
  };
  useKeys("Pointer over the charts", isActive ? inCharts : {}, {}, [isActive]);
  const isHeld = full.value !== null || view.from.value !== null || view.at.value !== null;
  const release = () => {
    if (full.peek() !== null) full.value = null;
    else if (axis.range.peek()) axis.zoom(null, { now: true });
    else patch({ at: null });
  };
  useKeys("Charts", isHeld ? { Escape: { does: "Close full screen, show all steps, or unpin", run: release } } : {}, {}, [isHeld]);
}

/** @param {"x" | "y"} axis */
function toggleLog(axis) {
  const now = view.log.peek();
  patch({ log: now.includes(axis) ? now.replace(axis, "") : [...now, axis].sort().join("") });
}
