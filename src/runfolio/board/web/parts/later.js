// @ts-check
import { useEffect, useState } from "preact/hooks";
import { Failure } from "./error_boundary.js";
import { html } from "./html.js";

const FAILED = { what: "This part could not be loaded.", remedy: "Reload the page. The board may have been restarted with other files." };

/**
 * Component of a module that is loaded when the component is first shown.
 * @param {{load: () => Promise<any>, name: string} & Record<string, any>} properties `load` must be the same function in
 *   every call. `name` is the exported name of the component. The component gets all other properties.
 */
export function Later({ load, name, ...rest }) {
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
  return loaded.load === load ? html`<${loaded.Part} ...${rest} />` : null;
}
