// @ts-check
/** Curves of a run. */
import { Empty } from "../../parts/empty.js";
import { html } from "../../parts/html.js";

/** @param {{run: import("@preact/signals").Signal<any>}} properties */
export function Tab({ run: { value: run } }) {
  if (!run) return null;
  return html`<${Empty} title="No curves yet" code=${[{ text: 'run.log({"train/loss": loss}, step=step)', label: "line of Python" }]}>Metrics that the run logs appear here, live.</${Empty}>`;
}
