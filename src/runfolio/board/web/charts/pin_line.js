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
    this.place();
  }

  /** @param {number | null} x @param {string} text */
  set(x, text) {
    this.x = x;
    this.label.textContent = text;
    this.place();
  }

  /** Move the line to the position of its x on the current axis. */
  place() {
    const left = this.x === null ? NaN : this.frame.leftOf(this.x);
    const width = this.frame.over.clientWidth;
    this.element.hidden = !(left >= 0 && left <= width);
    if (this.element.hidden) return;
    this.element.style.transform = `translateX(${Math.round(left)}px)`;
    this.element.classList.toggle("is-right", left > width / 2);
  }
}
