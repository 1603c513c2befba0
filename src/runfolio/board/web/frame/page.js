// @ts-check
import { Failure } from "../parts/error_boundary.js";
import { html } from "../parts/html.js";
import { Later } from "../parts/later.js";
import { store } from "../store.js";
import { view } from "../url.js";
import { NoRuns } from "./no_runs.js";

/**
 * The page that the view names. The view is the state of the page in the URL.
 * @param {{pages: Record<string, () => Promise<any>>}} properties
 */
export function Page({ pages }) {
  const load = pages[view.page.value];
  return load ? html`<${Later} load=${load} name="Page" />` : html`<${Home} />`;
}

/** Home page, shown until the newest experiment is known. */
function Home() {
  if (store.error.value && !store.data.value) return html`<${Failure} error=${store.error.value} retry=${store.refresh} />`;
  return store.data.value?.experiments.length === 0 ? html`<${NoRuns} />` : null;
}
