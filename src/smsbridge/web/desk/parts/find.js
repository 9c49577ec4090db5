// Searching everything: contacts by name and number, and all that was ever said.
import { html, Icon, useEffect, useState } from "../lib/html.js";
import * as api from "../lib/api.js";
import { keepContacts } from "../lib/loads.js";
import { when } from "../lib/times.js";
import { nameOf, number } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import { Avatar } from "./avatar.js";
import { Dialog } from "./dialog.js";
import { Person } from "./person.js";

const PAUSE_MS = 150;

export function FindEverything() {
  const [words, setWords] = useState("");
  const [found, setFound] = useState(null);
  useEffect(() => {
    const query = words.trim();
    if (!query) return void setFound(null);
    let isOver = false; // an answer to fewer letters may come later than one to more
    const timer = setTimeout(async () => {
      const said = await acts.attempt(() => api.get("/search", { query, limit: 12 }));
      if (isOver) return;
      if (said) keepContacts(said.contacts.filter((each) => !state.contacts.value.has(each.id)));
      setFound(said && { ...said, query });
    }, PAUSE_MS);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [words]);
  const close = () => (state.dialog.value = null);
  const onKeyDown = (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const rows = [...event.currentTarget.querySelectorAll("input, a.row")];
    rows[Math.min(rows.length - 1, Math.max(0, rows.indexOf(document.activeElement) + by))]?.focus();
  };
  const isNothing = found && !found.contacts.length && !found.messages.length;
  return html`<${Dialog} title="Search everything" classes="find-all" onKeyDown=${onKeyDown}>
    <label class="search-field"><${Icon} name="search" />
      <input type="search" autofocus aria-label="Name, number or words" placeholder="Name, number or words" value=${words} onInput=${(event) => setWords(event.target.value)} />
    </label>
    <div class="results" role="region" aria-label="Results" aria-live="polite">
      ${isNothing && html`<div class="empty small"><h3>Nothing with “${found.query}”</h3><p>Neither a contact nor a text has it.</p></div>`}
      ${found?.contacts.length > 0 && html`<h3 class="group">Contacts</h3>
        <ul>${found.contacts.map((contact) => html`<li key=${contact.id}><a class="row" href=${`#/communication/${contact.id}`} onClick=${close}>
          <${Avatar} name=${nameOf(contact)} id=${contact.id} /><span class="name"><${Person} contact=${contact} /></span><span class="when"></span>
          <span class="last number">${contact.name ? number(contact.number) : ""}</span><span class="flag"></span></a></li>`)}</ul>`}
      ${found?.messages.length > 0 && html`<h3 class="group">Texts</h3>
        <ul>${found.messages.map(({ contact, entry }) => html`<li key=${entry.seq}><a class="row" href=${`#/communication/${contact?.id ?? ""}`} onClick=${close}>
          <${Avatar} name=${nameOf(contact)} id=${contact?.id} /><span class="name"><${Person} contact=${contact} /></span>
          <time class="when" datetime=${entry.at}>${when(entry.at)}</time>
          <span class="last" dir="auto">${entry.message.text}</span><span class="flag"></span></a></li>`)}</ul>`}
    </div>
  <//>`;
}
