// @ts-check
/** Texts about the state of a run and its relations to other runs, and the rows of its timeline. */
import { duration, integer, percent, plural, stepValue } from "../../format.js";

/** Fraction of the timeline that a pause takes. */
const GAP = 0.03;

/**
 * Return the text after the word of the state, such as " in 3 min 20 s". For a running run, it includes the progress.
 * @param {any} run answer of `/api/runs/KEY`
 */
export function afterState({ state, duration_s: seconds, step, total_steps: total, progress, seconds_left: left }) {
  const took = seconds === null ? "" : ` ${state === "running" ? "for" : state === "finished" ? "in" : "after"} ${duration(seconds)}`;
  if (state !== "running" || step === null) return took;
  const done = `step ${stepValue(step)}${total === null ? "" : ` of ${integer(total)}`}`;
  return `${took}: ${[done, progress !== null && percent(progress), left && `about ${duration(left)} left`].filter(Boolean).join(", ")}`;
}

/**
 * Return texts about the attempts of the run, its forks, its reproductions and its series.
 * @param {any} run
 */
export function relationTexts({ attempts, children, series }) {
  const own = attempts.filter((/** @type {any} */ { inherited }) => inherited === null);
  const tests = own.filter((/** @type {any} */ { purpose }) => purpose === "test").length;
  const [forks, repeats] = ["fork", "reproduction"].map((kind) => children.filter((/** @type {any} */ child) => child.kind === kind).length);
  return [
    own.length - tests > 1 && plural(own.length - tests, "attempt"),
    tests > 0 && "tested in a separate attempt",
    forks > 0 && plural(forks, "fork"),
    repeats > 0 && plural(repeats, "reproduction"),
    series && `series ${series}`,
  ].filter(Boolean);
}

/**
 * Return rows of the timeline: one per attempt, and one per fork or reproduction of the run. The axis shows the working
 * time. All pauses between attempts are drawn with the same short length.
 * @param {any} run
 * @returns {{kind: "inherited" | "attempt" | "child", attempt?: any, child?: any, from: number, lost: number, to: number, pause: number}[]}
 *   `from`, `lost` and `to` are fractions of the axis. The work between `lost` and `to` was abandoned. `pause` is
 *   the number of seconds before an attempt.
 */
export function timelineRows({ attempts, children }) {
  const lengths = attempts.map((/** @type {any} */ { seconds }) => Math.max(seconds ?? 0, 1e-3));
  const scale = (1 - GAP * (attempts.length - 1)) / lengths.reduce((/** @type {number} */ sum, /** @type {number} */ length) => sum + length, 0);
  let from = -GAP;
  let ended = attempts[0]?.started;
  const rows = attempts.map((/** @type {any} */ attempt, /** @type {number} */ index) => {
    from += GAP;
    const to = from + lengths[index] * scale;
    const row = { kind: attempt.inherited === null ? "attempt" : "inherited", attempt, from, lost: to - attempt.lost_s * scale, to, pause: Math.max(0, attempt.started - ended) };
    [from, ended] = [to, attempt.started + lengths[index]];
    return row;
  });
  const place = (/** @type {number} */ time) => {
    const row = rows.findLast((/** @type {any} */ { attempt }) => attempt.started <= time) ?? rows[0];
    return row ? Math.min(row.to, Math.max(0, row.from + (time - row.attempt.started) * scale)) : 0;
  };
  return [...rows, ...children.map((/** @type {any} */ child) => {
    const at = place(child.created);
    return { kind: "child", child, from: at, lost: at, to: at, pause: 0 };
  })];
}
