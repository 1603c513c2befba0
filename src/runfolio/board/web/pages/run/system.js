// @ts-check
/** Load of the machine during a run. */
import { Empty } from "../../parts/empty.js";
import { html } from "../../parts/html.js";

/** @param {{run: import("@preact/signals").Signal<any>}} properties */
export function Tab({ run: { value: run } }) {
  if (!run) return null;
  return html`<${Empty} title="No measurements">The load of the machine is measured every ten seconds while a run trains.</${Empty}>`;
}
