// @ts-check
/** A panel (a chart) whose settings are stored in the URL. */
import { ErrorBoundary } from "../parts/error_boundary.js";
import { html } from "../parts/html.js";
import { store } from "../store.js";
import { patch, view } from "../url.js";
import { Panel } from "./panel.js";

/**
 * @param {{
 *   panel: import("./panels.js").PanelOf,
 *   x?: string,
 *   mainX: string,
 *   full: import("@preact/signals").Signal<string | null>,
 * } & Record<string, any>} props If the URL names no x axis, `x` is the axis, and the pinned value
 *   is on the axis `mainX`. If `x` is empty, the server chooses the axis. `full` is the quantity of the panel in full
 *   screen. All other properties are passed to `Panel`.
 */
export function ViewPanel({ panel: { quantity, metrics, mode }, x = "", mainX, full, ...rest }) {
  const pinX = view.x.value || mainX;
  const pin = (/** @type {string} */ name, /** @type {number | null} */ at) => {
    if (name === pinX) patch({ at: at !== null && name === "step" ? Math.round(at) : at });
  };
  const own = view.panels.value[quantity] ?? {};
  const change = (/** @type {object} */ changes) => patch({ panels: { ...view.panels.peek(), [quantity]: { ...own, ...changes } } });
  const isFull = full.value === quantity;
  return html`<${ErrorBoundary} name=${`The chart of ${quantity}`}><${Panel}
    title=${quantity}
    metrics=${metrics}
    mode=${mode}
    settings=${{ x: view.x.value || x, smooth: view.smooth.value, log: view.log.value, ylim: null, size: "", ...own }}
    change=${change}
    pin=${pin}
    pinned=${view.at.value === null ? null : { name: pinX, at: view.at.value }}
    isFull=${isFull}
    toggleFull=${() => (full.value = isFull ? null : quantity)}
    canDraw=${store.data.value?.can_draw ?? true}
    ...${rest}
  /></${ErrorBoundary}>`;
}
