// @ts-check
import { duration, moment, stepValue } from "../../format.js";
import { html } from "../../parts/html.js";
import { State } from "../../parts/state.js";
import { href } from "../../url.js";
import { timelineRows } from "./statement.js";

/**
 * Attempts of the run, and the runs that began from it, on an axis of steps.
 * @param {{run: any}} properties
 */
export function Timeline({ run }) {
  if (run.attempts.length < 2 && !run.children.length && !run.parent) return null;
  return html`<section class="wide" aria-labelledby="timeline-title">
    <h2 id="timeline-title">Attempts and related runs</h2>
    <ol class="timeline">${timelineRows(run).map((row) => html`<${Row} row=${row} run=${run} />`)}</ol>
  </section>`;
}

/** @param {{row: any, run: any}} properties */
function Row({ row, run }) {
  return html`<li class=${`timeline-row ${row.kind}`}>
    <span class="timeline-name">${row.child ? html`<a href=${href({ page: "run", run: row.child.key })}>${row.child.name}</a>` : attemptName(row.attempt, run)}</span>
    <svg class="timeline-bar" aria-hidden="true" width="100%" height="16">
      <line class="timeline-axis" x1="0" x2="100%" y1="8" y2="8" />
      <line class="timeline-done" x1=${percent(row.from)} x2=${percent(row.lost)} y1="8" y2="8" />
      ${row.to > row.lost && html`<line class="timeline-lost" x1=${percent(row.lost)} x2=${percent(row.to)} y1="8" y2="8" />`}
      <circle class="timeline-node" cx=${percent(row.kind === "child" ? row.from : row.to)} cy="8" r="3.5" />
    </svg>
    <span class="timeline-text">${row.child ? html`<${Child} child=${row.child} />` : html`<${Attempt} attempt=${row.attempt} />`}</span>
  </li>`;
}

/** @param {any} attempt @param {any} run */
function attemptName(attempt, run) {
  const name = `Attempt ${attempt.attempt}`;
  if (attempt.inherited === null) return name;
  const from = run.parent?.id === attempt.inherited ? run.parent.name : attempt.inherited;
  return html`<span class="soft">${name}, of ${from}</span>`;
}

/** @param {{attempt: any}} properties */
function Attempt({ attempt }) {
  const steps = attempt.last_step === null ? null : `steps ${stepValue(attempt.first_step)} to ${stepValue(attempt.last_step)}`;
  const lost = attempt.abandoned_steps ? `the last ${stepValue(attempt.abandoned_steps)} not continued` : null;
  const texts = [steps, attempt.seconds === null ? null : duration(attempt.seconds), attempt.purpose === "test" ? "test only" : null, lost];
  return html`${attempt.state && html`<${State} state=${attempt.state} /> `}<span class="soft" title=${moment(attempt.started)}>${texts.filter(Boolean).join(", ")}</span>`;
}

/** @param {{child: any}} properties */
function Child({ child }) {
  const from = child.step === null ? child.kind : `${child.kind} from step ${stepValue(child.step)}`;
  const verdict = child.verdict ? `: ${child.verdict.sentence ?? child.verdict.word}` : "";
  return html`<${State} state=${child.state} /> <span class="soft">${from}${verdict}</span>`;
}

/** @param {number} share */
function percent(share) {
  return `${(share * 98 + 1).toFixed(2)}%`;
}
