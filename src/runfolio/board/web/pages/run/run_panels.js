// @ts-check
import { signal, useSignal } from "@preact/signals";
import { X_CHOICES } from "../../charts/panel_header.js";
import { nextSmoothing } from "../../charts/smoothing.js";
import { ViewPanel } from "../../charts/view_panel.js";
import { COLOURS, colourIndex } from "../../colours.js";
import { useKeys } from "../../keys.js";
import { html } from "../../parts/html.js";
import { patch, view } from "../../url.js";

const hovered = signal(/** @type {string | null} */ (null));

/**
 * Panels with the curves of one run.
 * @param {{run: any, panels: import("../../charts/panels.js").PanelOf[], axes: import("../../charts/x_axis.js").SharedAxes, x?: string, mainX?: string, foundX?: ((name: string) => void) | null}} properties
 *   `x` is the x axis if the URL names none. `foundX` is called with the name of the first panel's x axis. The
 *   pinned value is on the axis `mainX`.
 */
export function RunPanels({ run, panels, axes, x = "", mainX = x, foundX = null }) {
  const full = useSignal(/** @type {string | null} */ (null));
  const colour = Math.max(0, colourIndex(run.key)) % COLOURS;
  const names = new Map([[run.key, { name: run.name, detail: "" }]]);
  useKeys("Charts", {
    Escape: { does: "Close full screen", run: () => (full.value = null) },
    l: { does: "Logarithmic y axis", run: () => patch({ log: view.log.value ? "" : "y" }) },
    s: { does: "Smooth more", run: () => patch({ smooth: nextSmoothing(view.smooth.value, 1) }) },
  });
  return html`<div class="chart-grid">${panels.map((panel, index) => html`<${ViewPanel}
    key=${panel.quantity}
    panel=${panel}
    x=${x}
    mainX=${mainX}
    full=${full}
    source=${{ runs: [run.key], group: "" }}
    xChoices=${X_CHOICES}
    axes=${axes}
    colour=${() => colour}
    names=${names}
    hovered=${hovered}
    foundX=${index ? undefined : foundX}
  />`)}</div>`;
}
