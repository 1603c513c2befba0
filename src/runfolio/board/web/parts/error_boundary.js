// @ts-check
import { Component } from "preact";
import { sentence } from "../format.js";
import { Button } from "./button.js";
import { html } from "./html.js";

/**
 * Part of a page. If it fails, an error replaces it, and the rest of the page still works.
 * @extends {Component<{name: string, children?: any}, {error: Error | null}>}
 */
export class ErrorBoundary extends Component {
  constructor() {
    super();
    /** @type {{error: Error | null}} */
    this.state = { error: null };
  }

  /** @param {any} error */
  componentDidCatch(error) {
    console.error(error);
    this.setState({ error });
  }

  render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return html`<div class="failure" role="alert">
      <p><strong>${this.props.name} could not be shown.</strong> The rest of the page still works.</p>
      <p class="soft mono">${String(error.message)}</p>
      <${Button} onClick=${() => this.setState({ error: null })}>Try again</${Button}>
    </div>`;
  }
}

/**
 * Error of a request, with its remedy.
 * @param {{error: {what: string, remedy?: string | null, status?: number} | null, retry?: () => void}} properties
 */
export function Failure({ error, retry }) {
  // If the server does not answer, the banner of the page says so.
  if (!error || error.status === 0) return null;
  return html`<div class="failure" role="alert">
    <p><strong>${sentence(error.what)}</strong> ${error.remedy && sentence(error.remedy)}</p>
    ${retry && html`<${Button} onClick=${retry}>Try again</${Button}>`}
  </div>`;
}
