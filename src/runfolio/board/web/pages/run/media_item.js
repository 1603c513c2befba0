// @ts-check
import { bytes, duration, plural, stepValue } from "../../format.js";
import { html } from "../../parts/html.js";
import { MediaTable } from "./media_table.js";
import { Picture } from "./picture.js";
import { blobAddress } from "./state.js";

const VIEWS = /** @type {Record<string, any>} */ ({ image: Picture, figure: Picture, video: Film, audio: Sound, text: Text, table: MediaTable, mesh: Download });

/**
 * Media of one name at one step.
 * @param {{item: any, at: number, link: string | false}} properties `at` is the requested step
 */
export function MediaItem({ item: { kind, name, step, entries, left_out: leftOut }, at, link }) {
  const View = VIEWS[kind];
  return html`<section class=${`media-item is-${kind}`} aria-label=${name}>
    <div class="section-head"><h2 class="one-line" title=${name}>${link ? html`<a href=${link}>${name}</a>` : name}</h2>${step !== at && html`<span class="soft small">from step ${stepValue(step)}</span>`}</div>
    <div class=${`media-entries ${entries.length > 1 && View === Picture ? "is-many" : ""}`}>${entries.map((/** @type {any} */ entry, /** @type {number} */ index) => html`<${View} entry=${entry} name=${name} key=${entry.sha ?? index} />`)}</div>
    ${leftOut > 0 && html`<p class="soft small">and ${leftOut} more at this step</p>`}
  </section>`;
}

/** @param {{entry: any, name: string}} properties */
function Film({ entry: { sha, type, caption, frames, fps }, name }) {
  const [label, source] = [caption ?? name, blobAddress(sha)];
  return html`<figure>
    ${type?.startsWith("video/") ? html`<video class="film" controls preload="metadata" aria-label=${label} src=${source}></video>` : html`<img class="film" alt=${label} src=${source} />`}
    ${captionOf(caption, frames && plural(frames, "frame"), fps && `${fps} per second`)}
  </figure>`;
}

/** @param {{entry: any, name: string}} properties */
function Sound({ entry: { sha, caption, samples, sample_rate: rate }, name }) {
  return html`<figure>
    <audio controls preload="metadata" aria-label=${caption ?? name} src=${blobAddress(sha)}></audio>
    ${captionOf(caption, samples && rate && duration(samples / rate))}
  </figure>`;
}

/** @param {any[]} parts */
function captionOf(...parts) {
  return html`<figcaption class="small soft">${parts.filter(Boolean).join(", ")}</figcaption>`;
}

/** @param {{entry: any, name: string}} properties */
function Text({ entry: { text, left_out: leftOut }, name }) {
  return html`<pre class="media-text" tabindex="0" aria-label=${name}>${text}${leftOut > 0 && `\n… ${leftOut} more characters`}</pre>`;
}

/** @param {{entry: any, name: string}} properties */
function Download({ entry, name }) {
  return html`<p><a href=${blobAddress(entry.sha)} download>Download ${name}</a> <span class="soft">${bytes(entry.bytes)}</span></p>`;
}
