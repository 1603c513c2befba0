// @ts-check
/** Templates: `html` builds Preact nodes from a tagged template, so that no build step is needed. */
import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);
