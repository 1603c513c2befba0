// @ts-check
/** Columns that the runs of the experiment have, for completion and for the choice of columns. */
import { computed, signal } from "@preact/signals";
import { resource, withQuery } from "../../api.js";
import { view } from "../../url.js";

const wanted = signal(false);

const listing = resource(() => {
  if (!wanted.value || view.page.value !== "experiment") return null;
  return withQuery("api/columns", { experiment: view.experiment.value, archived: view.archived.value });
});

/** @type {import("@preact/signals").ReadonlySignal<any[]>} */
export const listed = computed(() => listing.data.value?.columns ?? []);

/** Ask for the columns; the first page of the table does not need them. */
export function wantListing() {
  wanted.value = true;
}
