// @ts-check
import { html } from "../../parts/html.js";
import { h } from "preact";

/** Elements that may be drawn. */
const ELEMENTS = new Set(["p", "h3", "h4", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "a", "br", "hr"]);

/**
 * Text that was written in Markdown. The server parses it into a tree. Only allowed elements are drawn.
 * @param {{tree: any[]}} properties
 */
export function Markdown({ tree }) {
  return html`<div class="markdown">${tree.map(build)}</div>`;
}

/** @param {any} node @returns {any} */
function build(node) {
  if (typeof node === "string") return node;
  if (!ELEMENTS.has(node.tag)) return null;
  const children = node.children.map(build);
  if (node.tag !== "a") return h(node.tag, {}, ...children);
  if (!/^https?:[/][/]/.test(node.href)) return children;
  return h("a", { href: node.href, target: "_blank", rel: "noopener noreferrer" }, ...children);
}
