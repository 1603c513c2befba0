// @ts-check
import { duration, moment, stepValue } from "../../format.js";
import { html } from "../../parts/html.js";
import { State } from "../../parts/state.js";
import { href } from "../../url.js";
import { Section } from "./blocks.js";
import { timelineRows } from "./statement.js";

/**
 * Attempts, forks and reproductions of the run on a time axis.
 * @param {{run: any}} properties
 */
export function Timeline({ run }) {
  if (run.attempts.length < 2 && !run.children.length && !run.parent) return null;
  return html`<${Section} class="wide" title="Attempts and related runs"><ol class="timeline">${timelineRows(run).map(({ kind, attempt, child, from, lost, to, pause }) => html`<li class=${`timeline-row ${kind}`}>
    <span class="wrap">${child ? html`<a href=${href({ page: "run", run: child.key })}>${child.name}</a>` : attemptName(attempt, run)}</span>
    <svg class="timeline-bar" aria-hidden="true" width="100%" height="16">
      ${[["axis", 0, 1], ["done", from, lost], ["lost", lost, to]].map(([part, start, end]) => start !== end && html`<line class=${part} x1=${percent(start)} x2=${percent(end)} y1="8" y2="8" />`)}
      <circle cx=${percent(to)} cy="8" r="3.5" />
    </svg>
    <span><${State} state=${(child ?? attempt).state ?? ""} /><span class="soft" title=${moment(child?.created ?? attempt.started)}>${child ? `, ${childText(child)}` : ` ${attemptText(attempt, pause)}`}</span></span>
  </li>`)}</ol></${Section}>`;
}

/** @param {any} attempt @param {any} run */
function attemptName({ attempt, inherited }, { parent }) {
  return inherited === null ? `Attempt ${attempt}` : html`<span class="soft">Attempt ${attempt} of ${parent?.id === inherited ? parent.name : inherited}</span>`;
}

/** @param {any} attempt @param {number} pause */
function attemptText({ seconds, lost_s: lost, purpose, checkpoint, step }, pause) {
  return [
    seconds !== null && `after ${duration(seconds)}`,
    pause >= 1 && `started after a pause of ${duration(Math.round(pause))}`,
    purpose === "test" && "test only",
    checkpoint && `from checkpoint ${checkpoint}${step === null ? "" : ` of step ${stepValue(step)}`}`,
    lost > 0 && `the last ${duration(lost)} were not continued`,
  ].filter(Boolean).join(", ");
}

/** @param {any} child */
function childText({ kind, step, verdict }) {
  return `${kind}${step === null ? "" : ` from step ${stepValue(step)}`}${verdict ? `: ${verdict.sentence ?? verdict.word}` : ""}`;
}

/** @param {any} share */
function percent(share) {
  return `${(share * 98 + 1).toFixed(2)}%`;
}
