// @ts-check
import { html } from "../parts/html.js";
import { Menu, MenuItem } from "../parts/menu.js";

/**
 * Button that opens a menu of choices. The menu closes when the user takes a choice.
 * @param {{label: string, title: string, align?: string, class?: string, options: [value: string, text: string][], value: string, choose: (value: string) => void}} props
 */
export function ChoiceMenu({ label, title, align, class: extra, options, value, choose }) {
  return html`<${Menu} label=${label} title=${title} align=${align} class=${extra}>
    ${(/** @type {() => void} */ close) =>
      options.map(([option, text]) => {
        const take = () => {
          choose(option);
          close();
        };
        return html`<${MenuItem} key=${option} chosen=${option === value} onClick=${take}>${text}</${MenuItem}>`;
      })}
  </${Menu}>`;
}
