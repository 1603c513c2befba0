// @ts-check
/** Start of the app: what listens, and what is shown at which address. */
import { render } from "preact";
import { Frame } from "./frame/frame.js";
import * as keys from "./keys.js";
import * as live from "./live.js";
import { html } from "./parts/html.js";
import * as toast from "./parts/toast.js";
import * as url from "./url.js";

/** Pages by the name in the view; each is loaded when it is opened first. */
const PAGES = {
  experiment: () => import("./pages/experiment/page.js"),
  run: () => import("./pages/run/page.js"),
  trash: () => import("./pages/trash/page.js"),
};

url.start();
keys.start();
toast.start();
live.start();
render(html`<${Frame} pages=${PAGES} />`, /** @type {HTMLElement} */ (document.getElementById("board")));
