// @ts-check
/**
 * Zooms and pans a chart along x by wheel, touch and pinch. A share is a position in the plot, from 0 (left) to 1
 * (right).
 */

/**
 * @typedef {object} Moves
 * @property {(factor: number, share: number) => void} zoom Zooms around a share of the width. A factor below 1 zooms
 *   in.
 * @property {(share: number) => boolean} pan Returns false if there is nothing to pan.
 * @property {(share: number) => void} inspect Called when a finger moves over a chart that is not zoomed.
 * @property {(share: number) => void} click
 * @property {() => void} release Called on a double click.
 */

const WHEEL = 0.0025;
const CLICK_REACH = 5;

/**
 * Listen for gestures on the plot area of a chart.
 * @param {HTMLElement} over
 * @param {Moves} moves
 */
export function listen(over, moves) {
  listenToWheel(over, moves);
  listenToTouch(over, moves);
  listenToClicks(over, moves);
}

/** @param {HTMLElement} over @param {{clientX: number}} event */
function shareOf(over, event) {
  const { left, width } = over.getBoundingClientRect();
  return (event.clientX - left) / width;
}

/** @param {HTMLElement} over @param {Moves} moves */
function listenToWheel(over, moves) {
  const onWheel = (/** @type {WheelEvent} */ event) => {
    if (event.ctrlKey || event.metaKey) moves.zoom(Math.exp(event.deltaY * WHEEL), shareOf(over, event));
    else {
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (!sideways || !moves.pan(sideways / over.clientWidth)) return;
    }
    event.preventDefault();
  };
  over.addEventListener("wheel", onWheel, { passive: false });
}

/** @param {HTMLElement} over @param {Moves} moves */
function listenToTouch(over, moves) {
  /** @type {Map<number, number>} */
  const fingers = new Map();
  over.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") fingers.set(event.pointerId, shareOf(over, event));
  });
  over.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (before === undefined) return;
    const now = shareOf(over, event);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, now);
    if (other === undefined) {
      if (!moves.pan(before - now)) moves.inspect(now);
      return;
    }
    const [wide, narrow] = [Math.abs(before - other), Math.abs(now - other)];
    if (wide > 0.01 && narrow > 0.01) moves.zoom(wide / narrow, (now + other) / 2);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    over.addEventListener(end, (event) => fingers.delete(/** @type {PointerEvent} */ (event).pointerId));
  }
}

/** @param {HTMLElement} over @param {Moves} moves */
function listenToClicks(over, moves) {
  let startX = 0;
  over.addEventListener("mousedown", (event) => (startX = event.clientX));
  over.addEventListener("click", (event) => {
    if (Math.abs(event.clientX - startX) < CLICK_REACH && event.detail < 2) moves.click(shareOf(over, event));
  });
  over.addEventListener("dblclick", () => moves.release());
}

/**
 * Return the range of an axis after a zoom. The axis may be logarithmic.
 * @param {{min: number, max: number, log: boolean}} axis
 * @param {number} factor
 * @param {number} share
 * @returns {[number, number]}
 */
export function zoomed(axis, factor, share) {
  return moved(axis, (low, high) => {
    const centre = low + share * (high - low);
    return [centre - (centre - low) * factor, centre + (high - centre) * factor];
  });
}

/**
 * Return the range of an axis after a pan by a share of its width.
 * @param {{min: number, max: number, log: boolean}} axis
 * @param {number} share
 * @returns {[number, number]}
 */
export function panned(axis, share) {
  return moved(axis, (low, high) => [low + share * (high - low), high + share * (high - low)]);
}

/**
 * @param {{min: number, max: number, log: boolean}} axis
 * @param {(low: number, high: number) => [number, number]} change
 * @returns {[number, number]}
 */
function moved(axis, change) {
  if (!axis.log) return change(axis.min, axis.max);
  const [low, high] = change(Math.log10(axis.min), Math.log10(axis.max));
  return [10 ** low, 10 ** high];
}
