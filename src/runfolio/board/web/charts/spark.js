// @ts-check
/** A small curve of a metric in a row of the table. It has 64 values and no axes. */
import { useMemo } from "preact/hooks";
import { html } from "../parts/html.js";

const WIDTH = 96;
const HEIGHT = 20;
const EDGE = 2;

/**
 * Decode base64 of little-endian float32.
 * @param {string} text
 * @returns {Float32Array}
 */
export function decodeSpark(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer, 0, bytes.byteLength >> 2);
}

/**
 * Return the path of a sparkline in an SVG of 96 x 20 pixels. Values that are not finite leave gaps. If most values are
 * missing because the curve has few points, the gaps are bridged.
 * @param {ArrayLike<number>} values
 * @returns {string}
 */
export function sparkPath(values) {
  const finite = Array.from(values).filter(Number.isFinite);
  if (!finite.length) return "";
  const isSparse = finite.length < values.length / 2;
  const low = Math.min(...finite);
  const span = Math.max(...finite) - low;
  let path = "";
  let command = "M";
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) command = isSparse && path ? "L" : "M";
    else {
      const x = EDGE + (i / Math.max(1, values.length - 1)) * (WIDTH - 2 * EDGE);
      const share = span ? (values[i] - low) / span : 0.5;
      const y = HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE);
      // A line without length still shows as a dot, because its ends are round.
      const isAlone = command === "M" && !Number.isFinite(values[i + 1]) && !(isSparse && finite.length > 1);
      path += `${command}${x.toFixed(1)} ${y.toFixed(1)}${isAlone ? "h0" : ""}`;
      command = "L";
    }
  }
  return path;
}

/** @param {{data: string | null, colour?: string}} props Base64 from the server, and a class that sets the colour. */
export function Spark({ data, colour = "" }) {
  const path = useMemo(() => (data ? sparkPath(decodeSpark(data)) : ""), [data]);
  if (!path) return null;
  return html`<svg class=${`spark ${colour}`} viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} width=${WIDTH} height=${HEIGHT} aria-hidden="true"><path d=${path} /></svg>`;
}
