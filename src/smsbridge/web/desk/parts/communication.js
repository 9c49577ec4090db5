// The communication view: everybody we text with, mine first; quick replies outside of any interaction's window.
import { html, Icon, useEffect, useLayoutEffect, useRef, useState } from "../lib/html.js";
import { doing } from "../lib/keys.js";
import { loadContact, loadContacts } from "../lib/loads.js";
import { nameOf, number } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import { Avatar } from "./avatar.js";
import { Composer } from "./composer.js";
import { ContactCard } from "./contact.js";
import { FindIn } from "./find_in.js";
import { History } from "./panel.js";
import { Person } from "./person.js";
import { Row } from "./row.js";
import { Lines } from "./transcript.js";

const PAUSE_MS = 200;

export function Communication() {
  const { id } = state.place.value;
  const contact = state.contacts.value.get(id);
  useEffect(() => {
    if (id && !contact) return acts.need(() => loadContact(id));
    return undefined;
  }, [id]);
  return html`<main class="stage" id="main"><h1 class="unseen">Communication</h1><div class=${`desk${contact ? "" : " at-list"}`}>
    <${ContactList} current=${id} />
    <div class=${`sheet${contact ? "" : " alone"}`}>
      ${contact
        ? html`<${Conversation} key=${id} contact=${contact} /><${ContactPanel} key=${`panel-${id}`} contact=${contact} />`
        : html`<section class="transcript" aria-label="Nobody is chosen"><div class="empty"><${Icon} name="contact" big /><h2>Choose a contact</h2>
            <p>Here you read what was said with anybody, send a quick reply, or create an interaction.</p></div></section>`}
    </div>
  </div></main>`;
}

function ContactList({ current }) {
  const [query, setQuery] = useState("");
  const [others, setOthers] = useState({ ids: [], next: null, words: null }); // and the words that they were asked for with
  const field = useRef(null);
  useEffect(() => {
    const ask = async (isOver) => {
      await loadContacts({ assigned_to: state.me.value, query: query.trim(), limit: 200 });
      const page = await loadContacts({ query: query.trim(), limit: 50 });
      if (isOver()) return; // an answer to fewer letters may come later than one to more
      setOthers({ ids: page.items.map((each) => each.id), next: page.next_cursor, words: query.trim() });
    };
    let stop = () => {};
    const timer = setTimeout(() => (stop = acts.need(ask)), query ? PAUSE_MS : 0);
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [query, state.reloads.value]);
  useLayoutEffect(() => {
    const find = () => (field.current?.focus(), true);
    doing.responses = find;
    return () => doing.responses === find && delete doing.responses;
  });
  const more = () => acts.attempt(async () => {
    const page = await loadContacts({ query: query.trim(), limit: 50, cursor: others.next });
    setOthers((now) => (now === others ? { ...others, ids: [...others.ids, ...page.items.map((each) => each.id)], next: page.next_cursor } : now));
  });
  const all = [...state.contacts.value.values()].filter((each) => matches(each, query));
  const mine = all.filter((each) => each.assigned_to === state.me.value).sort(byLast);
  const rest = others.ids.map((each) => state.contacts.value.get(each)).filter((each) => each && each.assigned_to !== state.me.value);
  const unassigned = rest.filter((each) => !each.assigned_to);
  const colleagues = rest.filter((each) => each.assigned_to);
  const unread = mine.reduce((sum, each) => sum + (each.unread_count ?? 0), 0);
  return html`<nav class="list" id="list" aria-label="Contacts">
    <div class="filter"><label class="search-field soft"><${Icon} name="search" />
      <input type="search" placeholder="Name or number" aria-label="Search contacts" ref=${field} value=${query} onInput=${(event) => setQuery(event.target.value)} /><kbd>/</kbd></label></div>
    <div class="scroll" tabindex="0" role="group" aria-label="Contacts">
      <${Group} words="Assigned to you" figure=${unread ? `${mine.length}, ${unread} unread` : mine.length} people=${mine} current=${current} />
      <${Group} words="Unassigned" figure=${`${unassigned.length}${others.next ? "+" : ""}`} people=${unassigned} current=${current} />
      <${Group} words="With colleagues" figure=${colleagues.length} people=${colleagues} current=${current} />
      ${others.next && html`<p class="rest"><button class="button quiet small" onClick=${more}>Earlier contacts</button></p>`}
      ${!mine.length && !rest.length && others.words === query.trim() && html`<div class="empty small"><${Icon} name="users" /><h3>${query ? `Nobody with “${query}”` : "No contacts yet"}</h3>
        <p>${query ? "Search all texts with Ctrl K." : "Whoever texts you, or is texted, stands here."}</p></div>`}
    </div>
  </nav>`;
}

function Group({ words, figure, people, current }) {
  if (!people.length) return null;
  return html`<h2 class="group">${words} <span class="figure">${figure}</span></h2>
    <ul>${people.map((contact) => html`<li key=${contact.id}><${Row} href=${`#/communication/${contact.id}`} contact=${contact} last=${contact.last}
      at=${contact.last?.at} draftKey=${contact.id} isCurrent=${contact.id === current} /></li>`)}</ul>`;
}

const byLast = (one, other) => (other.last?.at ?? "").localeCompare(one.last?.at ?? "");
const digits = (text) => text.replace(/[^\d+]/g, "");
const matches = (contact, query) =>
  !query.trim() || nameOf(contact).toLowerCase().includes(query.trim().toLowerCase()) || (digits(query) && contact.number.includes(digits(query)));

/** The open interaction with this contact, if there is one. */
function openWith(contact) {
  return [...state.interactions.value.values()].find((each) => each.contact_id === contact.id && ["waiting", "active", "ended"].includes(each.state));
}

function Conversation({ contact }) {
  const open = openWith(contact);
  return html`<section class="transcript" aria-label=${`Transcript with ${nameOf(contact)}`}>
    <div class="head">
      <a class="icon-button back" href="#/communication" aria-label="Back to the list"><${Icon} name="chevron-left" big turns /></a>
      <${Avatar} name=${nameOf(contact)} id=${contact.id} />
      <div class="who"><h2><${Person} contact=${contact} /></h2>
        <p>${contact.name && html`<span class="number">${number(contact.number)}</span> <span aria-hidden="true">·</span> `}${open ? html`<a class="link" href=${`#/desk/${open.id}`}>${open.state} interaction</a>` : "no open interaction"}</p></div>
      <div class="acts">
        <button class="icon-button" aria-label="Search in transcript" aria-pressed=${state.isFinding.value} onClick=${() => (state.isFinding.value = !state.isFinding.value)}><${Icon} name="search" /></button>
        <button class="icon-button" aria-label="Contact and history" aria-expanded=${state.isPanelOpen.value} onClick=${() => (state.isPanelOpen.value = !state.isPanelOpen.value)}><${Icon} name="panel-right" turns /></button>
      </div>
    </div>
    ${state.isFinding.value && html`<${FindIn} contact=${contact} />`}
    <${Lines} contact=${contact} interaction=${open ?? null} />
    <${Composer} key=${contact.id} interaction=${null} contact=${contact} />
  </section>`;
}

function ContactPanel({ contact }) {
  const create = () => acts.attempt(() => acts.createInteraction(contact.number));
  return html`<section class=${`panel is-double${state.isPanelOpen.value ? " is-open" : ""}`} id="panel" aria-label="Contact and history">
    <div class="top"><h2 class="panel-title">Contact</h2><button class="icon-button close" aria-label="Close" onClick=${() => (state.isPanelOpen.value = false)}><${Icon} name="x" /></button></div>
    <div class="scroll" tabindex="0" role="group" aria-label="Contact">
      <${ContactCard} contact=${contact}><button class="button primary large wide" onClick=${create}><${Icon} name="message-square-plus" />Create SMS interaction</button><//>
      <${History} contact=${contact} />
    </div>
  </section>`;
}

