// @ts-check
import { useState } from "preact/hooks";
import { COLOURS } from "../../colours.js";
import { number, plural } from "../../format.js";
import { html } from "../../parts/html.js";
import { Mask } from "./mask.js";
import { blobAddress } from "./state.js";

const SMALL = 160;
/** Maximum number of box labels on the image and in the caption. */
const MOST_LABELS = 40;

/**
 * Image or figure, with its boxes and masks as recorded. Small images are enlarged without smoothing.
 * @param {{entry: any, name: string}} properties
 */
export function Picture({ entry: { sha, caption, boxes = [], boxes_left_out: leftOut, masks = {}, classes = {} }, name }) {
  const [{ naturalWidth: width, naturalHeight: height }, setSize] = useState({ naturalWidth: 0, naturalHeight: 0 });
  const [hidden, setHidden] = useState(/** @type {string[]} */ ([]));
  const groups = /** @type {string[]} */ ([...new Set(boxes.map(groupOf))]);
  const layers = [...groups, ...Object.keys(masks)];
  const [label, source] = [caption ?? name, blobAddress(sha)];
  const onLoad = (/** @type {any} */ { currentTarget: image }) => setSize({ naturalWidth: image.naturalWidth, naturalHeight: image.naturalHeight });
  const toggle = (/** @type {string} */ layer) => setHidden(hidden.includes(layer) ? hidden.filter((other) => other !== layer) : [...hidden, layer]);
  const shown = boxes.filter((/** @type {any} */ box) => !hidden.includes(groupOf(box)));
  return html`<figure class="picture-figure">
    <a class=${`picture-link ${width && Math.max(width, height) <= SMALL ? "is-small" : ""}`} href=${source} target="_blank" rel="noopener" aria-label=${`Open ${label} in full size`}>
      <img class="picture" alt=${label} src=${source} onLoad=${onLoad} decoding="async" />
      ${Object.entries(masks).map(([mask, file]) => !hidden.includes(mask) && html`<${Mask} source=${blobAddress(file)} key=${file} />`)}
      ${width > 0 && shown.length > 0 && html`<${Boxes} boxes=${shown} groups=${groups} width=${width} height=${height} />`}
    </a>
    ${layers.length > 0 && html`<div class="layers small">${layers.map((layer) => html`<label key=${layer}><input type="checkbox" checked=${!hidden.includes(layer)} onChange=${() => toggle(layer)} /> ${layer}</label>`)}</div>`}
    <figcaption class="small soft wrap">${[caption, boxes.length > 0 && `${plural(boxes.length, "box", "boxes")}: ${boxes.slice(0, MOST_LABELS).map(textOf).join(", ")}`, leftOut && `${leftOut} left out`].filter(Boolean).join("; ")}</figcaption>
    <ul class="classes small">${Object.entries(classes).map(([value, text]) => html`<li key=${value} class=${`run-${Number(value) % COLOURS}`}><span class=${`swatch ${value === "0" ? "is-clear" : ""}`} aria-hidden="true"></span>${text}</li>`)}</ul>
  </figure>`;
}

/** @param {{boxes: any[], groups: string[], width: number, height: number}} properties */
function Boxes({ boxes, groups, width, height }) {
  const colour = (/** @type {any} */ box) => `run-${(groups.indexOf(groupOf(box)) + 1) % COLOURS}`;
  const place = (/** @type {number[]} */ [left, top]) => (/** @type {HTMLElement | null} */ label) => {
    label?.style.setProperty("--left", `${Math.min(95, Math.max(0, (left / width) * 100))}%`);
    label?.style.setProperty("--top", `${Math.min(95, Math.max(0, (top / height) * 100))}%`);
  };
  return html`<svg class="boxes" viewBox=${`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      ${boxes.map((box) => html`<rect class=${colour(box)} x=${box.box[0]} y=${box.box[1]} width=${Math.max(0, box.box[2] - box.box[0])} height=${Math.max(0, box.box[3] - box.box[1])} vector-effect="non-scaling-stroke" />`)}
    </svg>
    ${boxes.slice(0, MOST_LABELS).map((box) => html`<span class=${`box-label ${colour(box)}`} aria-hidden="true" ref=${place(box.box)}>${textOf(box)}</span>`)}`;
}

/** @param {any} box @returns {string} */
function groupOf({ group }) {
  return group ?? "boxes";
}

/** @param {any} box */
function textOf({ label, score }) {
  return [label, (score ?? null) !== null && number(score, 2)].filter(Boolean).join(" ");
}
