// @ts-check
/** The vertical line at a pinned value of x, with a label. */

export class PinLine {
  /** @type {number | null} */
  x = null;

  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.element = document.createElement("div");
    this.element.className = "chart-pin";
    this.label = document.createElement("span");
    this.element.append(this.label);
    frame.over.append(this.element);
  }

  /** @param {number | null} x @param {string} text */
  set(x, text) {
    this.x = x;
    this.label.textContent = text;
    this.place();
  }

  /** Move the line to the position of its x on the current axis. */
  place() {
    this.element.hidden = true;
    if (this.x === null) return;
    const left = this.frame.leftOf(this.x);
    const width = this.frame.view.width / this.frame.view.ratio; // clientWidth would lay out the page again
    if (!(left >= 0 && left <= width)) return;
    this.element.hidden = false;
    this.element.style.transform = `translateX(${Math.round(left)}px)`;
    this.element.classList.toggle("is-right", left > width / 2);
  }
}
