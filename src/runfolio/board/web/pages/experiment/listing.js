// @ts-check
/** Columns of the experiment's runs, used by completion and by the menu of columns. */
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

/** Fetch the columns. They are fetched only on request, since the first page of the table does not need them. */
export function wantListing() {
  wanted.value = true;
}
