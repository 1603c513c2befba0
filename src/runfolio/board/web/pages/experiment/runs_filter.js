// @ts-check
import { html } from "../../parts/html.js";
import { FilterBox } from "../../table/filter_box.js";
import { patch, view } from "../../url.js";
import { listed, wantListing } from "./listing.js";
import { runs } from "./state.js";

/** Filter of the runs on this page. */
export function RunsFilter() {
  const error = runs.error.value;
  return html`<${FilterBox}
    where=${view.where.value}
    apply=${(/** @type {string} */ where) => patch({ where })}
    error=${error?.position == null ? null : error}
    listed=${listed.value}
    wanted=${wantListing}
  />`;
}
