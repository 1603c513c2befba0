// @ts-check
/** Filter field with completion. A mistake in the filter is underlined. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { bind } from "../keys.js";
import { html } from "../parts/html.js";
import { complete } from "./completion.js";

/**
 * @param {{where: string, apply: (where: string) => void, error: any, listed: import("./completion.js").Listed[],
 *   wanted: () => void}} props `wanted` is called when the field gets the focus, before completions are needed.
 */
export function FilterBox({ where, apply, error, listed, wanted }) {
  const [text, setText] = useState(where);
  const [caret, setCaret] = useState(0);
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState(-1);
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const list = useId();
  useEffect(() => setText(where), [where]);
  useEffect(() => bind("Table", { "/": { does: "Filter the runs", run: () => input.current?.select() } }), []);
  useEffect(() => {
    list && document.getElementById(`${list}-${chosen}`)?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  const { from, to, options } = open ? complete(text, caret, listed) : { from: 0, to: 0, options: [] };
  const look = () => {
    setCaret(input.current?.selectionStart ?? 0);
    setChosen(-1);
  };
  const take = (/** @type {import("./completion.js").Option} */ option) => {
    const written = text.slice(0, from) + option.text;
    const rest = text.slice(to);
    const next = `${written}${rest.startsWith(" ") ? "" : " "}${rest}`;
    setText(next);
    setCaret(written.length + 1);
    setChosen(-1);
    requestAnimationFrame(() => {
      input.current?.focus();
      input.current?.setSelectionRange(written.length + 1, written.length + 1);
    });
  };
  const submit = (/** @type {string} */ filter) => {
    setOpen(false);
    apply(filter.trim());
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && options.length) setChosen((chosen + by + options.length + (chosen < 0 && by < 0 ? 1 : 0)) % options.length);
    else if (by) setOpen(true);
    else if (event.key === "Enter" && chosen >= 0) take(options[chosen]);
    else if (event.key === "Enter") submit(text);
    else if (event.key === "Tab" && !event.shiftKey && options.length && (chosen >= 0 || (text !== where && text.trim()))) take(options[Math.max(0, chosen)]);
    else if (event.key === "Escape" && open) setOpen(false);
    else if (event.key === "Escape") input.current?.blur();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const mistake = text === where ? error : null;
  return html`<div class="filter" onFocusOut=${(/** @type {any} */ event) => !event.currentTarget.contains(event.relatedTarget) && setOpen(false)}>
    <input
      ref=${input}
      class="input mono"
      role="combobox"
      aria-label="Filter of the runs"
      aria-expanded=${options.length > 0}
      aria-controls=${list}
      aria-autocomplete="list"
      aria-activedescendant=${chosen >= 0 ? `${list}-${chosen}` : undefined}
      aria-invalid=${mistake ? "true" : undefined}
      aria-describedby=${`${list}-error`}
      placeholder="Filter, such as lr < 0.01 AND state = 'finished'"
      autocomplete="off"
      autocapitalize="off"
      spellcheck=${false}
      value=${text}
      onInput=${(/** @type {any} */ event) => {
        setText(event.currentTarget.value);
        setOpen(true);
        look();
      }}
      onFocus=${() => {
        wanted();
        setOpen(true);
        look();
      }}
      onClick=${look}
      onKeyUp=${(/** @type {KeyboardEvent} */ event) => ["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key) && look()}
      onKeyDown=${onKeyDown}
    />
    ${text !== where ? html`<kbd aria-hidden="true">Enter</kbd>` : text ? html`<button type="button" class="clear" aria-label="Clear the filter" onClick=${() => submit("")}>×</button>` : html`<kbd aria-hidden="true">/</kbd>`}
    <div role="listbox" id=${list} aria-label="Completions" class="menu-panel completions" hidden=${!options.length}>
      ${options.map(
        (option, index) => html`<div
          role="option"
          id=${`${list}-${index}`}
          key=${option.text}
          aria-selected=${index === chosen}
          class="menu-item"
          onPointerDown=${(/** @type {Event} */ event) => {
            event.preventDefault();
            take(option);
          }}
        ><span class="mono one-line">${option.text}</span><span class="soft one-line">${option.detail}</span></div>`,
      )}
      <p class="hint soft small" role="presentation">Enter applies the filter. Tab completes the word.</p>
    </div>
    <div id=${`${list}-error`} class="filter-error small bad" role="alert">
      ${mistake && [html`<${Caret} text=${where} position=${mistake.position} />`, mistake.what, mistake.remedy && html` <span class="soft">${mistake.remedy}</span>`]}
    </div>
  </div>`;
}

/** Part of the filter around a mistake, which is underlined. @param {{text: string, position: number}} props */
function Caret({ text, position }) {
  const start = Math.max(0, position - 24);
  const before = `${start ? "…" : ""}${text.slice(start, position)}`;
  const word = /^[^\s()]*/.exec(text.slice(position))?.[0] || text.slice(position, position + 1) || " ";
  const after = text.slice(position + word.length, position + word.length + 24);
  return html`<code class="mistake">${before}<u>${word}</u>${after}</code>`;
}
