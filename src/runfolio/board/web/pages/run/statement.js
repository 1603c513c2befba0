// @ts-check
/** What a run does or how it ended, in words. */
import { duration, integer, percent, stepValue } from "../../format.js";

const AFTER = /** @type {Record<string, string>} */ ({ finished: "in" });

/**
 * Return what follows the word of the state: " in 3 min 20 s", or the progress of a running run.
 * @param {any} run answer of `/api/runs/KEY`
 */
export function afterState(run) {
  const took = run.duration_s === null ? "" : duration(run.duration_s);
  if (run.state === "running") return `${took && ` for ${took}`}${progressText(run)}`;
  return took && ` ${AFTER[run.state] ?? "after"} ${took}`;
}

/** @param {any} run */
function progressText({ step, total_steps: total, progress, seconds_left: left }) {
  if (step === null) return "";
  const done = total === null ? `step ${stepValue(step)}` : `step ${stepValue(step)} of ${integer(total)}`;
  return `: ${[done, progress === null ? "" : percent(progress), left ? `about ${duration(left)} left` : ""].filter(Boolean).join(", ")}`;
}

/**
 * Return where the run stands among others: its attempt, and how many forks and reproductions it has.
 * @param {any} run
 */
export function relationTexts(run) {
  const own = run.attempts.filter((/** @type {any} */ attempt) => attempt.inherited === null && attempt.purpose !== "test").length;
  const tests = run.attempts.some((/** @type {any} */ attempt) => attempt.purpose === "test" && attempt.inherited === null);
  const count = (/** @type {string} */ kind) => run.children.filter((/** @type {any} */ child) => child.kind === kind).length;
  return [
    own > 1 && `${own} attempts`,
    tests && "tested in an attempt of its own",
    count("fork") && `${count("fork")} ${count("fork") === 1 ? "fork" : "forks"}`,
    count("reproduction") && `repeated ${count("reproduction") === 1 ? "once" : `${count("reproduction")} times`}`,
    run.series && `series ${run.series}`,
  ].filter(Boolean);
}

/**
 * Return rows of the timeline: one per attempt, and one per relative that began at a step.
 * @param {any} run
 * @returns {{kind: "inherited" | "attempt" | "child", attempt?: any, child?: any, from: number, to: number, lost: number}[]}
 *   `from`, `to` and `lost` are fractions of the axis; the steps between `lost` and `to` were abandoned
 */
export function timelineRows(run) {
  const last = Math.max(1, run.step ?? 0, ...run.attempts.map((/** @type {any} */ attempt) => attempt.last_step ?? 0));
  const share = (/** @type {number} */ step) => Math.min(1, Math.max(0, step / last));
  const attempts = run.attempts.map((/** @type {any} */ attempt) => {
    const known = attempt.last_step !== null;
    const end = known ? attempt.last_step + 1 : run.attempts.length === 1 ? (run.step ?? last) : 0;
    const from = share(attempt.first_step ?? 0);
    const to = share(end);
    const lost = share(end - attempt.abandoned_steps);
    return { kind: attempt.inherited === null ? "attempt" : "inherited", attempt, from, to, lost: Math.max(from, lost) };
  });
  const children = run.children.map((/** @type {any} */ child) => {
    const at = child.step === null ? 0 : share(child.step);
    return { kind: "child", child, from: at, to: at, lost: at };
  });
  return [...attempts, ...children];
}
