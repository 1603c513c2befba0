/* Return sentences about text that is clipped, text that overlaps other text, and pages wider than the window. */
() => {
  const EDGE = 1.5;
  const problems = new Set();
  const name = (element) => `<${element.tagName.toLowerCase()} class="${element.className}"> “${element.textContent.trim().slice(0, 40)}”`;
  const width = document.scrollingElement.scrollWidth;
  if (width > innerWidth) problems.add(`the page is ${width} px wide in a window of ${innerWidth} px`);

  /* Clip the box of a text to the elements that hide what lies outside them; say if they cut it without a sign. */
  const clipped = (element, box) => {
    let [left, top, right, bottom] = [box.left, box.top, box.right, box.bottom];
    let isMarked = false;
    for (let holder = element; holder && holder !== document.body; holder = holder.parentElement) {
      const style = getComputedStyle(holder);
      const overflow = style.overflowX + style.overflowY;
      if (style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none" || /auto|scroll/.test(overflow)) isMarked = true;
      if (overflow === "visiblevisible") continue;
      const frame = holder.getBoundingClientRect();
      const isInside = right > frame.left && left < frame.right && bottom > frame.top && top < frame.bottom;
      const isCut = left < frame.left - EDGE || right > frame.right + EDGE || top < frame.top - EDGE || bottom > frame.bottom + EDGE;
      if (isInside && isCut && !isMarked) problems.add(`${name(element)} is cut by ${name(holder)}`);
      [left, top] = [Math.max(left, frame.left), Math.max(top, frame.top)];
      [right, bottom] = [Math.min(right, frame.right), Math.min(bottom, frame.bottom)];
    }
    return { element, left, top, right, bottom };
  };

  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest(".only-read, .skip, noscript, option")) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    for (const box of range.getClientRects()) texts.push(clipped(element, box));
  }

  /* Floating parts such as dialogs cover what is below them on purpose. */
  const isOnTop = ({ element, left, top, right, bottom }) => {
    if (right - left < 1 || bottom - top < 1) return false;
    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return hit && (hit === element || element.contains(hit) || hit.contains(element));
  };
  const visible = texts.filter(isOnTop);
  visible.forEach((a, position) => {
    for (const b of visible.slice(position + 1)) {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      // Line boxes may touch; what counts is that glyphs are written over each other.
      if (a.element !== b.element && across > 2 && down > 6) problems.add(`${name(a.element)} overlaps ${name(b.element)}`);
    }
  });
  return [...problems];
};
