// @ts-check
/** Media of a run by name, with one slider over the steps. */
import { computed } from "@preact/signals";
import { useMemo, useState } from "preact/hooks";
import { useResource } from "../../api.js";
import { plural, stepValue } from "../../format.js";
import { useKeys } from "../../keys.js";
import { Button } from "../../parts/button.js";
import { Empty } from "../../parts/empty.js";
import { Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { href, patch, view } from "../../url.js";
import { MediaItem } from "./media_item.js";
import { concernsRun, runPath } from "./state.js";

const PAGE = 24;
const KINDS = /** @type {Record<string, string>} */ ({ image: "Images", figure: "Figures", video: "Films", audio: "Sounds", text: "Texts", table: "Tables", mesh: "Meshes" });
const PYTHON = [
  { text: 'run.log_image("samples", image, step=step)', label: "line of Python for an image" },
  { text: 'run.log_figure("confusion", figure, step=step)', label: "line of Python for a figure" },
  { text: 'run.log_text("answer", text, step=step)', label: "line of Python for a text" },
];

/** @param {{run: import("@preact/signals").Signal<any>}} properties */
export function Tab({ run: { value: run } }) {
  const names = useResource(() => runPath("media"), { follow: concernsRun }, [run.key]);
  const data = names.data.value;
  if (!data) return names.error.value && html`<${Failure} error=${names.error.value} retry=${names.refresh} />`;
  if (!data.names.length) return html`<${NoMedia} hidden=${data.hidden} />`;
  return html`<${Gallery} data=${data} />`;
}

/** @param {{data: any}} properties */
function Gallery({ data }) {
  const [count, setCount] = useState(PAGE);
  const [kind, name] = splitItem(view.item.value);
  const shown = data.names.filter((/** @type {any} */ entry) => (!kind || entry.kind === kind) && (!name || entry.name === name));
  const place = Math.max(0, placeOf(data.steps, view.at.value));
  const step = data.steps[place];
  const path = useMemo(() => computed(() => {
    const [nowKind, nowName] = splitItem(view.item.value);
    return runPath("media", { step, kind: nowKind, name: nowName, limit: Math.min(count, 48) });
  }), [step, count]);
  const items = useResource(() => path.value, { follow: null }, [path]);
  const go = (/** @type {number} */ next) => {
    const to = Math.min(data.steps.length - 1, Math.max(0, next));
    patch({ at: to === data.steps.length - 1 ? null : data.steps[to] }, { replace: true });
  };
  useKeys("Media", {
    ArrowLeft: { does: "Step before", run: () => go(place - 1) },
    ArrowRight: { does: "Next step", run: () => go(place + 1) },
    Home: { does: "First step", run: () => go(0) },
    End: { does: "Last step", run: () => go(data.steps.length - 1) },
  }, undefined, [place, data.steps]);
  return html`<div class="media">
    <div class="media-tools">
      <${Names} names=${data.names} />
      <${StepSlider} steps=${data.steps} place=${place} go=${go} />
    </div>
    ${data.problems.map((/** @type {string} */ problem) => html`<p class="bad">${problem}</p>`)}
    ${items.error.value && html`<${Failure} error=${items.error.value} retry=${items.refresh} />`}
    <div class=${`media-items ${name ? "is-single" : ""} ${items.loading.value ? "stale" : ""}`}>
      ${items.data.value?.items.map((/** @type {any} */ item) => html`<${MediaItem} item=${item} at=${step} link=${name ? null : href({ item: `${item.kind}/${item.name}` })} key=${`${item.kind}/${item.name}`} />`)}
    </div>
    ${shown.length > count && html`<p class="media-more"><${Button} onClick=${() => setCount(count + PAGE)}>Show ${Math.min(PAGE, shown.length - count)} more of ${shown.length - count}</${Button}></p>`}
  </div>`;
}

/** @param {{names: any[]}} properties */
function Names({ names }) {
  const kinds = [...new Set(names.map(({ kind }) => kind))];
  const choose = (/** @type {any} */ event) => patch({ item: event.currentTarget.value });
  return html`<select class="input media-names" aria-label="Which media" value=${view.item.value} onChange=${choose}>
    <option value="">Everything (${plural(names.length, "name")})</option>
    ${kinds.map((kind) => html`<optgroup label=${KINDS[kind]} key=${kind}>
      <option value=${kind}>All ${KINDS[kind].toLowerCase()}</option>
      ${names.filter((entry) => entry.kind === kind).map((entry) => html`<option value=${`${kind}/${entry.name}`} key=${entry.name}>${entry.name}</option>`)}
    </optgroup>`)}
  </select>`;
}

/** @param {{steps: number[], place: number, go: (place: number) => void}} properties */
function StepSlider({ steps, place, go }) {
  if (steps.length < 2) return html`<span class="soft">step ${stepValue(steps[0])}</span>`;
  const onInput = (/** @type {any} */ event) => go(Number(event.currentTarget.value));
  const text = `step ${stepValue(steps[place])}`;
  return html`<div class="step-slider">
    <${Button} quiet aria-label="Step before" disabled=${place === 0} onClick=${() => go(place - 1)}>←</${Button}>
    <input type="range" aria-label="Step" aria-valuetext=${text} min="0" max=${steps.length - 1} step="1" value=${place} onInput=${onInput} />
    <${Button} quiet aria-label="Next step" disabled=${place === steps.length - 1} onClick=${() => go(place + 1)}>→</${Button}>
    <span class="step-text" aria-hidden="true">${text}</span><span class="soft small">${place + 1} of ${steps.length}</span>
  </div>`;
}

/** @param {{hidden: Record<string, number>}} properties */
function NoMedia({ hidden }) {
  const rest = Object.entries(hidden).map(([kind, count]) => plural(count, kind));
  return html`<${Empty} title="No images, figures or texts" code=${PYTHON}>Log what the model sees and answers, and step through training with the arrow keys.${rest.length > 0 && ` This run has ${rest.join(" and ")}, which this page does not show.`}</${Empty}>`;
}

/**
 * Return the place of the last step that is not after `at`; the last place if `at` is null.
 * @param {number[]} steps ascending
 * @param {number | null} at
 */
export function placeOf(steps, at) {
  if (at === null) return steps.length - 1;
  const after = steps.findIndex((step) => step > at);
  return after < 0 ? steps.length - 1 : after - 1;
}

/**
 * Return the kind and the name that an item of the view means; a name may contain slashes.
 * @param {string} item
 * @returns {[kind: string, name: string]}
 */
export function splitItem(item) {
  const slash = item.indexOf("/");
  return slash < 0 ? [item, ""] : [item.slice(0, slash), item.slice(slash + 1)];
}
