// @ts-check
/** Menu of the settings by which runs are grouped. */
import { html } from "../parts/html.js";
import { Menu, MenuItem } from "../parts/menu.js";

const ALL_BUT_SEED = "-seed";

/**
 * @param {{group: string, settings: string[], choose: (group: string) => void}} props `settings` are the names of
 *   settings that vary.
 */
export function GroupMenu({ group, settings, choose }) {
  const label = group === "" ? "Group" : html`Group: <span class="one-line">${groupName(group)}</span>`;
  return html`<${Menu} label=${label} title="Group the runs" align="right">
    <${MenuItem} chosen=${group === ""} onClick=${() => choose("")}>No groups</${MenuItem}>
    <${MenuItem} chosen=${group === ALL_BUT_SEED} hint="repeats" onClick=${() => choose(ALL_BUT_SEED)}>All settings except the seed</${MenuItem}>
    ${settings.length > 0 && html`<p class="menu-heading soft small">One group per value of</p>`}
    ${settings.map((name) => html`<${MenuItem} key=${name} chosen=${names(group).includes(name)} onClick=${() => choose(toggled(group, name))}>${name.replace(/^params\./, "")}</${MenuItem}>`)}
  </${Menu}>`;
}

/** Return a value of `group=` in words, such as `lr, model` or `all but seed`. @param {string} group */
export function groupName(group) {
  return `${group.startsWith("-") ? "all but " : ""}${group.replace(/(^|,)-?(params\.)?/g, (_, comma) => (comma ? ", " : ""))}`;
}

/**
 * Return the value of `group=` with a setting added or, if it was included, removed.
 * @param {string} group
 * @param {string} name
 */
export function toggled(group, name) {
  const before = names(group);
  return (before.includes(name) ? before.filter((other) => other !== name) : [...before, name]).join(",");
}

/** @param {string} group */
function names(group) {
  return group && !group.startsWith("-") ? group.split(",") : [];
}
