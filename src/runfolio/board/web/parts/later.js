// @ts-check
import { useEffect, useState } from "preact/hooks";
import { Failure } from "./error_boundary.js";
import { html } from "./html.js";

const FAILED = { what: "This part could not be loaded.", remedy: "Reload the page: the board may have been started again with other files." };

/**
 * Component of a module that is loaded when it is shown first.
 * @param {{load: () => Promise<any>, name: string}} properties `load` must be the same function each time; `name` is
 *   that of the export
 */
export function Later({ load, name }) {
  const [loaded, setLoaded] = useState(/** @type {{load: any, Part: any}} */ ({ load: null, Part: null }));
  useEffect(() => {
    let isShown = true;
    load().then(
      (module) => isShown && setLoaded({ load, Part: module[name] }),
      () => isShown && setLoaded({ load, Part: () => html`<${Failure} error=${FAILED} />` }),
    );
    return () => {
      isShown = false;
    };
  }, [load]);
  return loaded.load === load ? html`<${loaded.Part} />` : null;
}
