// @ts-check
import { useEffect, useRef } from "preact/hooks";
import { COLOURS, stroke } from "../../colours.js";
import { html } from "../../parts/html.js";
import { theme } from "../../preferences.js";

const ALPHA = 128;
const MOST_PIXELS = 16_000_000;

/**
 * Mask over an image. Its pixels are class numbers and are drawn in the colours of the classes. Class 0 is transparent.
 * @param {{source: string}} properties
 */
export function Mask({ source }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const palette = theme.value;
  useEffect(() => {
    const image = new Image();
    image.onload = () => canvas.current && draw(canvas.current, image, palette);
    image.src = source;
    return () => {
      image.onload = null;
    };
  }, [source, palette]);
  return html`<canvas class="mask" ref=${canvas} aria-hidden="true"></canvas>`;
}

/** @param {HTMLCanvasElement} canvas @param {HTMLImageElement} image @param {string} palette */
function draw(canvas, image, palette) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const context = canvas.getContext("2d");
  if (!context || width * height > MOST_PIXELS) return;
  [canvas.width, canvas.height] = [width, height];
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, width, height);
  paint(pixels.data, coloursOf(palette));
  context.putImageData(pixels, 0, 0);
}

/**
 * Replace class numbers, stored as grey values, by colours.
 * @param {Uint8ClampedArray} data RGBA
 * @param {[number, number, number][]} colours
 */
export function paint(data, colours) {
  for (let at = 0; at < data.length; at += 4) {
    const value = data[at];
    [data[at], data[at + 1], data[at + 2]] = colours[value % colours.length];
    data[at + 3] = value === 0 ? 0 : ALPHA;
  }
}

/** @param {string} palette @returns {[number, number, number][]} */
function coloursOf(palette) {
  return Array.from({ length: COLOURS }, (_, index) => {
    const hex = stroke(index, palette);
    return /** @type {[number, number, number]} */ ([1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  });
}
