// @ts-check
import { useState } from "preact/hooks";
import { address } from "../../api.js";
import { COLOURS } from "../../colours.js";
import { number, plural } from "../../format.js";
import { html } from "../../parts/html.js";
import { Mask } from "./mask.js";
import { blobPath } from "./state.js";

const SMALL = 160;
/** Number of boxes whose labels are written on the image. */
const MOST_LABELS = 40;

/**
 * Image or figure, with its boxes and masks as recorded. Small images are enlarged without smoothing.
 * @param {{entry: any, name: string}} properties
 */
export function Picture({ entry, name }) {
  const [size, setSize] = useState(/** @type {{width: number, height: number} | null} */ (null));
  const [hidden, setHidden] = useState(/** @type {Set<string>} */ (new Set()));
  const boxes = entry.boxes ?? [];
  const masks = Object.entries(entry.masks ?? {});
  const groups = [...new Set(boxes.map((/** @type {any} */ box) => box.group ?? "boxes"))];
  const shown = boxes.filter((/** @type {any} */ box) => !hidden.has(box.group ?? "boxes"));
  const label = entry.caption ?? name;
  const source = address(blobPath(entry.sha));
  const onLoad = (/** @type {any} */ { currentTarget: image }) => setSize({ width: image.naturalWidth, height: image.naturalHeight });
  const isSmall = size !== null && Math.max(size.width, size.height) <= SMALL;
  const toggle = (/** @type {string} */ layer) => {
    const next = new Set(hidden);
    if (!next.delete(layer)) next.add(layer);
    setHidden(next);
  };
  return html`<figure class="picture-figure">
    <a class=${`picture-link ${isSmall ? "is-small" : ""}`} href=${source} target="_blank" rel="noopener" aria-label=${`Open ${label} in full size`}>
      <img class="picture" alt=${label} src=${source} onLoad=${onLoad} decoding="async" />
      ${masks.map(([mask, sha], index) => !hidden.has(mask) && html`<${Mask} source=${address(blobPath(/** @type {string} */ (sha)))} first=${index} key=${sha} />`)}
      ${size && shown.length > 0 && html`<${Boxes} boxes=${shown} groups=${groups} size=${size} />`}
    </a>
    ${(groups.length > 0 || masks.length > 0) && html`<div class="layers">${[...groups, ...masks.map(([mask]) => mask)].map((layer) => html`<label class="small" key=${layer}><input type="checkbox" checked=${!hidden.has(layer)} onChange=${() => toggle(layer)} /> ${layer}</label>`)}</div>`}
    <figcaption class="small soft wrap">${[entry.caption, entry.boxes_left_out && `${plural(entry.boxes_left_out, "box", "boxes")} left out`].filter(Boolean).join("; ")}</figcaption>
    ${boxes.length > 0 && html`<${BoxTable} boxes=${boxes} />`}
    ${entry.classes && Object.keys(entry.classes).length > 0 && html`<ul class="classes small">${Object.entries(entry.classes).map(([value, text]) => html`<li key=${value} class=${`run-${Number(value) % COLOURS}`}><span class=${`swatch ${value === "0" ? "is-clear" : ""}`} aria-hidden="true"></span>${text}</li>`)}</ul>`}
  </figure>`;
}

/** @param {{boxes: any[], groups: any[], size: {width: number, height: number}}} properties */
function Boxes({ boxes, groups, size }) {
  const colour = (/** @type {any} */ box) => `run-${(groups.indexOf(box.group ?? "boxes") + 1) % COLOURS}`;
  return html`<svg class="boxes" viewBox=${`0 0 ${size.width} ${size.height}`} preserveAspectRatio="none" aria-hidden="true">
      ${boxes.map((box) => html`<rect class=${colour(box)} x=${box.box[0]} y=${box.box[1]} width=${Math.max(0, box.box[2] - box.box[0])} height=${Math.max(0, box.box[3] - box.box[1])} vector-effect="non-scaling-stroke" />`)}
    </svg>
    ${boxes.slice(0, MOST_LABELS).map((box) => boxText(box) && html`<span class=${`box-label ${colour(box)}`} aria-hidden="true" ref=${(/** @type {HTMLElement | null} */ label) => place(label, box.box, size)}>${boxText(box)}</span>`)}`;
}

/** Put a label at the top left corner of its box. @param {HTMLElement | null} label @param {number[]} box @param {{width: number, height: number}} size */
function place(label, [left, top], { width, height }) {
  label?.style.setProperty("--left", `${Math.min(95, Math.max(0, (left / width) * 100))}%`);
  label?.style.setProperty("--top", `${Math.min(95, Math.max(0, (top / height) * 100))}%`);
}

/** @param {any} box */
function boxText({ label, score }) {
  const certainty = score === null || score === undefined ? "" : number(score, 2);
  return [label, certainty].filter((text) => text !== null && text !== undefined && text !== "").join(" ");
}

/** The boxes in words. @param {{boxes: any[]}} properties */
function BoxTable({ boxes }) {
  return html`<details class="small"><summary>${plural(boxes.length, "box", "boxes")}</summary>
    <table class="list"><tbody>${boxes.slice(0, 100).map((box) => html`<tr><th scope="row">${box.label ?? box.group ?? "box"}</th><td class="number">${box.score === null || box.score === undefined ? "" : number(box.score, 3)}</td><td class="number soft">${box.box.map((/** @type {number} */ edge) => number(edge, 3)).join(", ")}</td></tr>`)}</tbody></table>
    ${boxes.length > 100 && html`<p class="soft">and ${boxes.length - 100} more</p>`}
  </details>`;
}
