// @ts-check
import { signal, useSignal } from "@preact/signals";
import { Panel } from "../../charts/panel.js";
import { nextSmoothing } from "../../charts/smoothing.js";
import { COLOURS, colourIndex } from "../../colours.js";
import { useKeys } from "../../keys.js";
import { ErrorBoundary } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { store } from "../../store.js";
import { patch, view } from "../../url.js";

/** @type {[string, string][]} */
const X_CHOICES = [["step", "step"], ["epoch", "epoch"], ["time", "time"]];
const hovered = signal(/** @type {string | null} */ (null));

/**
 * Panels with the curves of one run.
 * @param {{run: any, panels: import("../../charts/panels.js").PanelOf[], axes: import("../../charts/x_axis.js").SharedAxes, x?: string}} properties
 *   `x` is the x axis if the view names none
 */
export function RunPanels({ run, panels, axes, x: firstX = "" }) {
  const full = useSignal(/** @type {string | null} */ (null));
  const colour = Math.max(0, colourIndex(run.key)) % COLOURS;
  const names = new Map([[run.key, { name: run.name, detail: "" }]]);
  const x = view.x.value || firstX;
  useKeys("Charts", {
    Escape: { does: "Close full screen", run: () => (full.value = null) },
    l: { does: "Logarithmic y axis", run: () => patch({ log: view.log.value ? "" : "y" }) },
    s: { does: "Smooth more", run: () => patch({ smooth: nextSmoothing(view.smooth.value, 1) }) },
  });
  return html`<div class="chart-grid">${panels.map(({ quantity, metrics, mode }) => {
    const own = view.panels.value[quantity] ?? {};
    const change = (/** @type {object} */ changes) => patch({ panels: { ...view.panels.peek(), [quantity]: { ...own, ...changes } } });
    const isFull = full.value === quantity;
    return html`<${ErrorBoundary} name=${`The chart of ${quantity}`} key=${quantity}><${Panel}
      title=${quantity}
      metrics=${metrics}
      mode=${mode}
      source=${{ runs: [run.key], group: "" }}
      settings=${{ x, smooth: view.smooth.value, log: view.log.value, ylim: null, size: "", ...own }}
      change=${change}
      xChoices=${X_CHOICES}
      axes=${axes}
      colour=${() => colour}
      names=${names}
      hovered=${hovered}
      pinned=${view.at.value === null ? null : { name: x || "step", at: view.at.value }}
      pin=${(/** @type {string} */ _, /** @type {number | null} */ at) => patch({ at })}
      isFull=${isFull}
      toggleFull=${() => (full.value = isFull ? null : quantity)}
      canDraw=${store.data.value?.can_draw ?? true}
    /></${ErrorBoundary}>`;
  })}</div>`;
}
