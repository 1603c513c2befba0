// @ts-check
import { useEffect, useState } from "preact/hooks";
import { Failure } from "../parts/error_boundary.js";
import { html } from "../parts/html.js";
import { store } from "../store.js";
import { view } from "../url.js";
import { NoRuns } from "./no_runs.js";

/**
 * The page of the view; its module is loaded when it is opened first.
 * @param {{pages: Record<string, () => Promise<any>>}} properties
 */
export function Page({ pages }) {
  const name = view.page.value;
  const [loaded, setLoaded] = useState(/** @type {{name: string, Page: any, failed: boolean}} */ ({ name: "", Page: null, failed: false }));
  useEffect(() => {
    let current = true;
    pages[name]?.().then(
      (module) => current && setLoaded({ name, Page: module.Page, failed: false }),
      () => current && setLoaded({ name, Page: null, failed: true }),
    );
    return () => {
      current = false;
    };
  }, [name]);
  if (name === "home") return html`<${Home} />`;
  if (loaded.name !== name) return null;
  if (loaded.failed) return html`<${Failure} error=${{ what: "This page could not be loaded.", remedy: "Reload it: the board may have been started again with other files." }} />`;
  return html`<${loaded.Page} />`;
}

/** First page, until the newest experiment is known. */
function Home() {
  if (store.error.value && !store.data.value) return html`<${Failure} error=${store.error.value} retry=${store.refresh} />`;
  return store.data.value?.experiments.length === 0 ? html`<${NoRuns} />` : null;
}
