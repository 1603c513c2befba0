// @ts-check
/** Order of drawing: once a frame while something moves, and one chart per task when all is still. */

const STILL_MS = 160;
/** @type {Set<() => void>} */
const nextFrame = new Set();
/** @type {Set<() => void>} */
const whenStill = new Set();
let frame = 0;
let timer = 0;

/**
 * Call a function in the next frame, however often it is asked for.
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
 * Call a function when nothing was asked for during a moment; one function per task.
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

/** Forget a function. @param {() => void} draw */
export function cancel(draw) {
  nextFrame.delete(draw);
  whenStill.delete(draw);
}
