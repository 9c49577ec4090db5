// Standard responses: a combobox that grows upwards from the field. Type to find, arrows to choose, Enter to insert.
import { html, useEffect, useLayoutEffect, useState } from "../lib/html.js";
import { countSegments } from "../lib/sms.js";
import { plural } from "../lib/words.js";
import * as state from "../lib/state.js";

const MOST = 7;
const VARIABLE = /\{([a-z][\w.]*)\}/gi;

/** The first variable that nobody has filled in, or "". */
export const unfilledIn = (text) => text.match(VARIABLE)?.[0] ?? "";

export function Responses({ text, contact, field, onChoose, onClose }) {
  const typed = text.startsWith("/") ? text.slice(1).toLocaleLowerCase() : "";
  const found = state.responses.value
    .filter((each) => each.shortcut.toLocaleLowerCase().startsWith(typed) || (typed && each.title.toLocaleLowerCase().includes(typed)))
    .slice(0, MOST);
  const [at, setAt] = useState(0);
  const chosen = found[Math.min(at, found.length - 1)];
  useEffect(() => setAt(0), [typed]);
  useLayoutEffect(() => { // before the next key: a fast hand gets what it sees
    const onKey = (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (by && found.length) {
        event.preventDefault();
        setAt((now) => (now + by + found.length) % found.length);
      } else if ((event.key === "Enter" || event.key === "Tab") && chosen) {
        event.preventDefault();
        event.stopPropagation();
        onChoose(fill(chosen.text, contact));
      } else if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        onClose();
      }
    };
    const box = field.current;
    box?.setAttribute("aria-activedescendant", chosen ? `response-${chosen.id}` : "");
    box?.addEventListener("keydown", onKey, true);
    return () => {
      box?.removeEventListener("keydown", onKey, true);
      box?.removeAttribute("aria-activedescendant");
    };
  });
  const filled = chosen ? fill(chosen.text, contact) : "";
  const missing = unfilledIn(filled);
  return html`<div class="responses">
    ${found.length > 0
      ? html`<ul class="options" role="listbox" aria-label="Standard responses" id="responses">
          ${found.map((each) => html`<li class="option" role="option" id=${`response-${each.id}`} key=${each.id} aria-selected=${each === chosen}
            onPointerDown=${(event) => { event.preventDefault(); onChoose(fill(each.text, contact)); }}>
            <span class="short">/<b>${each.shortcut.slice(0, typed.length)}</b>${each.shortcut.slice(typed.length)}</span>
            <span class="body">${each.text}</span>
            <span class="cost">${plural(countSegments(fill(each.text, contact)).count, "segment")}</span>
          </li>`)}
        </ul>
        <p class="preview">${pieces(chosen.text, contact).map(([words, kind]) => (kind ? html`<span class=${kind}>${words}</span>` : words))}</p>
        <p class="foot"><span><kbd>↑</kbd> <kbd>↓</kbd> choose</span><span><kbd>Enter</kbd> insert</span>
          ${missing && html`<span class="end">${missing} is still to fill</span>`}</p>`
      : html`<p class="foot">${state.responses.value.length
          ? `No standard response begins with /${typed}`
          : "There are no standard responses yet. Whoever runs this desk writes them with the API."}</p>`}
  </div>`;
}

function valueOf(name, contact) {
  const agent = state.session.value.agent;
  const known = { "contact.name": contact.name, "contact.number": contact.number, "agent.name": agent.name || agent.id };
  const attribute = contact.attributes?.[name.replace(/^contact\./, "")];
  return known[name] ?? (attribute === undefined || attribute === null ? undefined : String(attribute));
}

const fill = (text, contact) => text.replace(VARIABLE, (whole, name) => valueOf(name, contact) ?? whole);

/** The text in pieces, [words, "filled" | "unfilled" | ""]. */
function pieces(text, contact) {
  return text.split(/(\{[a-z][\w.]*\})/gi).map((piece) => {
    const name = /^\{(.*)\}$/.exec(piece)?.[1];
    if (!name) return [piece, ""];
    const value = valueOf(name, contact);
    return value === undefined ? [piece, "unfilled"] : [value, "filled"];
  });
}
