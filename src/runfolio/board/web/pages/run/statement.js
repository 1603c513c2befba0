// @ts-check
/** What a run does or how it ended, in words. */
import { duration, integer, percent, plural, stepValue } from "../../format.js";

/**
 * Return what follows the word of the state: " in 3 min 20 s", or the progress of a running run.
 * @param {any} run answer of `/api/runs/KEY`
 */
export function afterState({ state, duration_s: seconds, step, total_steps: total, progress, seconds_left: left }) {
  const took = seconds === null ? "" : ` ${state === "running" ? "for" : state === "finished" ? "in" : "after"} ${duration(seconds)}`;
  if (state !== "running" || step === null) return took;
  const done = `step ${stepValue(step)}${total === null ? "" : ` of ${integer(total)}`}`;
  return `${took}: ${[done, progress !== null && percent(progress), left && `about ${duration(left)} left`].filter(Boolean).join(", ")}`;
}

/**
 * Return where the run stands among others: its attempts, forks and reproductions, and its series.
 * @param {any} run
 */
export function relationTexts({ attempts, children, series }) {
  const own = attempts.filter((/** @type {any} */ { inherited }) => inherited === null);
  const tests = own.filter((/** @type {any} */ { purpose }) => purpose === "test").length;
  const [forks, repeats] = ["fork", "reproduction"].map((kind) => children.filter((/** @type {any} */ child) => child.kind === kind).length);
  return [
    own.length - tests > 1 && plural(own.length - tests, "attempt"),
    tests > 0 && "tested in an attempt of its own",
    forks > 0 && plural(forks, "fork"),
    repeats > 0 && plural(repeats, "reproduction"),
    series && `series ${series}`,
  ].filter(Boolean);
}

/**
 * Return rows of the timeline: one per attempt, and one per related run that began at a step.
 * @param {any} run
 * @returns {{kind: "inherited" | "attempt" | "child", attempt?: any, child?: any, from: number, to: number, lost: number}[]}
 *   `from`, `to` and `lost` are fractions of the axis; the steps between `lost` and `to` were abandoned
 */
export function timelineRows({ attempts, children, step }) {
  const end = Math.max(1, step ?? 0, ...attempts.map((/** @type {any} */ attempt) => attempt.last_step ?? 0)) + 1;
  const share = (/** @type {number} */ value) => Math.min(1, Math.max(0, value / end));
  return [
    ...attempts.map((/** @type {any} */ attempt) => {
      const last = (attempt.last_step ?? (attempts.length === 1 ? step : null) ?? -1) + 1;
      const [from, to] = [share(attempt.first_step ?? 0), share(last)];
      return { kind: attempt.inherited === null ? "attempt" : "inherited", attempt, from, to, lost: Math.max(from, share(last - attempt.abandoned_steps)) };
    }),
    ...children.map((/** @type {any} */ child) => {
      const at = share(child.step === null ? 0 : child.step + 1);
      return { kind: "child", child, from: at, to: at, lost: at };
    }),
  ];
}
