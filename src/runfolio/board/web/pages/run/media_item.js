// @ts-check
import { address } from "../../api.js";
import { bytes, duration, plural, stepValue } from "../../format.js";
import { html } from "../../parts/html.js";
import { MediaTable } from "./media_table.js";
import { Picture } from "./picture.js";
import { blobPath } from "./state.js";

const VIEWS = /** @type {Record<string, any>} */ ({
  image: Picture,
  figure: Picture,
  video: Film,
  audio: Sound,
  text: Text,
  table: MediaTable,
  mesh: Download,
});

/**
 * Media of one name at one step.
 * @param {{item: any, at: number, link: string | null}} properties `at` is the step that was asked for
 */
export function MediaItem({ item, at, link }) {
  const View = VIEWS[item.kind];
  return html`<section class=${`media-item is-${item.kind}`} aria-label=${item.name}>
    <div class="media-head">
      <h2 class="one-line">${link ? html`<a href=${link} title=${item.name}>${item.name}</a>` : item.name}</h2>
      ${item.step !== at && html`<span class="soft small">from step ${stepValue(item.step)}</span>`}
    </div>
    <div class=${`media-entries ${item.entries.length > 1 && View === Picture ? "is-many" : ""}`}>${item.entries.map((/** @type {any} */ entry, /** @type {number} */ index) => html`<${View} entry=${entry} name=${item.name} key=${entry.sha ?? index} />`)}</div>
    ${item.left_out > 0 && html`<p class="soft small">and ${plural(item.left_out, "more", "more")} at this step</p>`}
  </section>`;
}

/** @param {{entry: any, name: string}} properties */
function Film({ entry, name }) {
  const label = entry.caption ?? name;
  const source = address(blobPath(entry.sha));
  const facts = [entry.frames && plural(entry.frames, "frame"), entry.fps && `${entry.fps} per second`].filter(Boolean).join(", ");
  return html`<figure>
    ${entry.type?.startsWith("video/") ? html`<video class="film" controls preload="metadata" aria-label=${label} src=${source}></video>` : html`<img class="picture" alt=${label} src=${source} />`}
    <figcaption class="small soft">${entry.caption}${entry.caption && facts && ", "}${facts}</figcaption>
  </figure>`;
}

/** @param {{entry: any, name: string}} properties */
function Sound({ entry, name }) {
  const seconds = entry.samples && entry.sample_rate ? duration(entry.samples / entry.sample_rate) : "";
  return html`<figure>
    <audio controls preload="metadata" aria-label=${entry.caption ?? name} src=${address(blobPath(entry.sha))}></audio>
    <figcaption class="small soft">${[entry.caption, seconds].filter(Boolean).join(", ")}</figcaption>
  </figure>`;
}

/** @param {{entry: any, name: string}} properties */
function Text({ entry, name }) {
  return html`<pre class="media-text" tabindex="0" aria-label=${name}>${entry.text}${entry.left_out > 0 && `\n… ${entry.left_out} more characters`}</pre>`;
}

/** @param {{entry: any, name: string}} properties */
function Download({ entry, name }) {
  return html`<p><a href=${address(blobPath(entry.sha))} download>Download ${name}</a> <span class="soft">${bytes(entry.bytes)}</span></p>`;
}
