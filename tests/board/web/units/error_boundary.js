import { render } from "preact";
import { ErrorBoundary } from "../parts/error_boundary.js";
import { html } from "../parts/html.js";
import { equal } from "./check.js";

function Broken() {
  throw new Error("no such column");
}

export const tests = {
  async "a part that fails is replaced by its error, and the rest stays"() {
    const place = document.body.appendChild(document.createElement("div"));
    const page = html`<p>before</p><${ErrorBoundary} name="The table"><${Broken} /></${ErrorBoundary}><p>after</p>`;
    render(page, place);
    await new Promise((done) => setTimeout(done, 50));
    const texts = [...place.querySelectorAll("p, button")].map((element) => element.textContent);
    render(null, place);
    place.remove();
    equal(texts, ["before", "The table could not be shown. The rest of the page still works.", "no such column", "Try again", "after"]);
  },
};
