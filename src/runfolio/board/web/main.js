// @ts-check
/** Start of the app. It starts all listeners and draws the frame with the page that the address names. */
import { render } from "preact";
import { Frame } from "./frame/frame.js";
import * as keys from "./keys.js";
import * as live from "./live.js";
import { html } from "./parts/html.js";
import * as toast from "./parts/toast.js";
import * as url from "./url.js";

/** Pages by their name in the view, the state in the URL. A page is loaded when it is first opened. */
const PAGES = {
  experiment: () => import("./pages/experiment/page.js"),
  run: () => import("./pages/run/page.js"),
  trash: () => import("./pages/trash/page.js"),
};

// A browser may load the icon again on a page with another path. A relative address would then be wrong.
const icon = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel='icon']"));
icon.setAttribute("href", icon.href);

url.start();
keys.start();
toast.start();
live.start();
render(html`<${Frame} pages=${PAGES} />`, /** @type {HTMLElement} */ (document.getElementById("board")));
