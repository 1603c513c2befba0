// @ts-check
/** Media tab of a run: its media by name, with a slider for the step. */
import { useSignal } from "@preact/signals";
import { useResource } from "../../api.js";
import { plural, stepValue } from "../../format.js";
import { useKeys } from "../../keys.js";
import { Button } from "../../parts/button.js";
import { Empty } from "../../parts/empty.js";
import { Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { href, patch, view } from "../../url.js";
import { Loaded } from "./blocks.js";
import { MediaItem } from "./media_item.js";
import { runOrPointsChanged, runPath } from "./state.js";

const MOST_NAMES = 48;
const KINDS = /** @type {Record<string, string>} */ ({ image: "Images", figure: "Figures", video: "Videos", audio: "Audio", text: "Texts", table: "Tables", mesh: "Meshes" });
const PYTHON = ['run.log_image("samples", image, step=step)', 'run.log_figure("confusion", figure, step=step)', 'run.log_text("answer", text, step=step)'];

/** Content of the tab. */
export function Tab() {
  return html`<${Loaded} path=${runPath("media")} follow=${runOrPointsChanged}>${(/** @type {any} */ data) => (data.names.length ? html`<${Gallery} ...${data} />` : html`<${NoMedia} hidden=${data.hidden} />`)}</${Loaded}>`;
}

/** @param {{names: any[], steps: number[], problems: string[]}} properties */
function Gallery({ names, steps, problems }) {
  const place = Math.max(0, placeOf(steps, view.at.value));
  const [kind, name] = splitItem(view.item.value);
  const path = useSignal("");
  path.value = runPath("media", { step: steps[place], kind, name, limit: MOST_NAMES });
  const items = useResource(() => path.value, { follow: null });
  const { total = 0, items: shown = [] } = items.data.value ?? {};
  const go = (/** @type {number} */ next) => patch({ at: steps[next] === undefined || next === steps.length - 1 ? null : steps[next] }, { replace: true });
  useKeys("Media", {
    ArrowLeft: { does: "Previous step", run: () => go(Math.max(0, place - 1)) },
    ArrowRight: { does: "Next step", run: () => go(place + 1) },
  }, undefined, [place, steps]);
  return html`<div class="media">
    <div class="media-tools"><${Names} names=${names} /><${StepSlider} steps=${steps} place=${place} go=${go} /></div>
    ${problems.map((problem) => html`<p class="bad">${problem}</p>`)}
    <${Failure} error=${items.error.value} retry=${items.refresh} />
    <div class=${`media-items ${name && "is-single"}`}>
      ${shown.map((/** @type {any} */ item) => html`<${MediaItem} item=${item} at=${steps[place]} link=${!name && href({ item: `${item.kind}/${item.name}` })} key=${`${item.kind}/${item.name}`} />`)}
    </div>
    ${total > MOST_NAMES && html`<p class="soft">${MOST_NAMES} of ${plural(total, "name")} are shown. Choose another name above to see it.</p>`}
  </div>`;
}

/** @param {{names: any[]}} properties */
function Names({ names }) {
  return html`<select class="input media-names" aria-label="Media to show" value=${view.item.value} onChange=${(/** @type {any} */ event) => patch({ item: event.currentTarget.value })}>
    <option value="">All media (${plural(names.length, "name")})</option>
    ${[...new Set(names.map(({ kind }) => kind))].map((kind) => html`<optgroup label=${KINDS[kind]} key=${kind}>
      <option value=${kind}>All ${KINDS[kind].toLowerCase()}</option>
      ${names.filter((entry) => entry.kind === kind).map(({ name }) => html`<option value=${`${kind}/${name}`} key=${name}>${name}</option>`)}
    </optgroup>`)}
  </select>`;
}

/** @param {{steps: number[], place: number, go: (place: number) => void}} properties */
function StepSlider({ steps, place, go }) {
  const text = `step ${stepValue(steps[place])}`;
  if (steps.length < 2) return html`<span class="soft">${text}</span>`;
  return html`<div class="step-slider">
    <${Button} quiet aria-label="Previous step" disabled=${place === 0} onClick=${() => go(place - 1)}>←</${Button}>
    <input type="range" aria-label="Step" aria-valuetext=${text} min="0" max=${steps.length - 1} value=${place} onInput=${(/** @type {any} */ event) => go(Number(event.currentTarget.value))} />
    <${Button} quiet aria-label="Next step" disabled=${place === steps.length - 1} onClick=${() => go(place + 1)}>→</${Button}>
    <span class="step-text" aria-hidden="true">${text}</span>
  </div>`;
}

/** @param {{hidden: Record<string, number>}} properties */
function NoMedia({ hidden }) {
  const others = Object.entries(hidden).map(([kind, count]) => plural(count, kind));
  return html`<${Empty} title="No images, figures or texts" code=${PYTHON.map((text, index) => ({ text, label: `line ${index + 1} of Python` }))}>Log inputs and outputs of the model, and step through the training with the arrow keys. ${others.length > 0 && `This page does not show the run's ${others.join(" and ")}.`}</${Empty}>`;
}

/**
 * Return the index of the last step that is not after `at`, or the last index if `at` is null.
 * @param {number[]} steps ascending
 * @param {number | null} at
 */
export function placeOf(steps, at) {
  return at === null ? steps.length - 1 : steps.findLastIndex((step) => step <= at);
}

/**
 * Return the kind and the name in an item such as `image/samples`. A name may contain slashes.
 * @param {string} item
 * @returns {[kind: string, name: string]}
 */
export function splitItem(item) {
  const [kind, ...name] = item.split("/");
  return [kind, name.join("/")];
}
