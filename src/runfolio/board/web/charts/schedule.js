// @ts-check
/** Schedules drawing: once per frame while a chart changes, and one chart per task after all changes have ended. */

const STILL_MS = 160;
/** @type {Set<() => void>} */
const nextFrame = new Set();
/** @type {Set<() => void>} */
const whenStill = new Set();
let frame = 0;
let timer = 0;

/**
 * Call a function once in the next frame, even if this is requested several times.
 * @param {() => void} draw
 */
export function inNextFrame(draw) {
  nextFrame.add(draw);
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    const draws = [...nextFrame];
    nextFrame.clear();
    for (const each of draws) each();
  });
}

/**
 * Call a function after a short time without further requests. Each task calls only one function.
 * @param {() => void} draw
 */
export function onceStill(draw) {
  whenStill.add(draw);
  clearTimeout(timer);
  timer = window.setTimeout(runNext, STILL_MS);
}

function runNext() {
  const [draw] = whenStill;
  if (!draw) return;
  whenStill.delete(draw);
  draw();
  if (whenStill.size) timer = window.setTimeout(runNext, 0);
}

/** Cancel the pending calls of a function. @param {() => void} draw */
export function cancel(draw) {
  nextFrame.delete(draw);
  whenStill.delete(draw);
}
