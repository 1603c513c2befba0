// @ts-check
import { useState } from "preact/hooks";
import { Button } from "./button.js";
import { html } from "./html.js";

/**
 * Command or code with a button that copies it.
 * @param {{text: string, label?: string}} properties `label` names what is copied, for screen readers
 */
export function Copy({ text, label = "command" }) {
  return html`<div class="copy">
    <pre tabindex="0" aria-label=${label}><code>${text}</code></pre>
    <${CopyButton} text=${text} label=${label} />
  </div>`;
}

/**
 * Button that copies a text.
 * @param {{text: string, label: string, children?: any}} properties
 */
export function CopyButton({ text, label, children = "Copy" }) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    setSaid((await copyText(text)) ? "Copied" : "Press Ctrl-C");
    setTimeout(() => setSaid(""), 2000);
  };
  return html`<${Button} quiet class="copy-button" aria-label=${said || `Copy ${label}`} onClick=${copy}>${said || children}</${Button}>`;
}

/**
 * Copy a text, and return true on success.
 * @param {string} text
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** Copy a text if the browser denies access to the clipboard, for example on a plain HTTP address of another host. @param {string} text */
function copyBySelection(text) {
  const field = document.createElement("textarea");
  field.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
