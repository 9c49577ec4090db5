// The list: what is offered, what is mine, what waits, what is done.
import { html, Icon, useEffect, useState } from "../lib/html.js";
import { openDialog } from "../lib/keys.js";
import { loadDone } from "../lib/loads.js";
import { ago, now, span } from "../lib/times.js";
import { lastWords, nameOf } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import { Avatar } from "./avatar.js";
import { Person } from "./person.js";
import { Row } from "./row.js";
import { Tabs } from "./tabs.js";

export function List() {
  const mine = state.active.value.length + state.ended.value.length;
  return html`<nav class="list" id="list" aria-label="Interactions" aria-busy=${state.reloads.value === 0 ? "true" : "false"}>
    <div class="head">
      <${Tabs} label="Which interactions" value=${state.tab.value} onChange=${(name) => (state.tab.value = name)}
        tabs=${[["mine", "Mine", mine], ["queue", "Queue", state.waiting.value.length], ["done", "Done"]]} />
      <button class="icon-button" aria-label="Create SMS interaction to a new number" title="New number (c)" onClick=${() => openDialog("new")}>
        <${Icon} name="message-square-plus" />
      </button>
    </div>
    <div class="scroll" tabindex="0" role="group" aria-label="List of interactions">
      ${state.tab.value === "mine" && html`<${Mine} />`}
      ${state.tab.value === "queue" && html`<${Queue} />`}
      ${state.tab.value === "done" && html`<${Done} />`}
    </div>
  </nav>`;
}

function Mine() {
  const offers = state.offers.value;
  const [active, ended] = [state.active.value, state.ended.value];
  const inHand = new Set([...active, ...ended].map((each) => each.contact_id));
  const people = [...state.contacts.value.values()]
    .filter((contact) => contact.assigned_to === state.me.value && !inHand.has(contact.id))
    .sort((one, other) => (other.last?.at ?? "").localeCompare(one.last?.at ?? ""));
  if (!offers.length && !active.length && !ended.length && !people.length) return html`<${Nothing} />`;
  return html`
    ${offers.length > 0 && html`<${Group} words="Offered to you" figure=${offers.length}>
      ${offers.map(([each, left]) => html`<li key=${each.id}><${Offered} interaction=${each} left=${left} /></li>`)}
    <//>`}
    ${active.length > 0 && html`<${Group} words="Active" figure=${active.length}>${active.map(row)}<//>`}
    ${ended.length > 0 && html`<${Group} words="Ended, not done" figure=${ended.length}>${ended.map(row)}<//>`}
    ${people.length > 0 && html`<h2 class="group">Your contacts <a href="#/communication">All ${people.length + inHand.size}</a></h2>
      <ul>${people.slice(0, 8).map((contact) => html`<li key=${contact.id}>
        <${Row} href=${`#/communication/${contact.id}`} contact=${contact} last=${contact.last} at=${contact.last?.at} draftKey=${contact.id} />
      </li>`)}</ul>`}
  `;
}

function Nothing() {
  const isReady = state.isReady.value;
  return html`<div class="empty small">
    <${Icon} name="inbox" />
    <h3>Nothing in your hands</h3>
    <p>${isReady ? "New texts appear here, and as a pop-up, while you are Ready." : "Go Ready, and new texts are offered to you."}</p>
    ${!isReady && html`<button class="button" onClick=${() => acts.setReady(true)}>Go ready</button>`}
  </div>`;
}

function Queue() {
  const waiting = state.waiting.value;
  if (!waiting.length) {
    return html`<div class="empty small"><${Icon} name="inbox" /><h3>Nothing is waiting</h3><p>Texts that nobody has taken yet stand here.</p></div>`;
  }
  return html`<${Group} words="Waiting, longest first" figure=${waiting.length}>
    ${waiting.map((each) => html`<li key=${each.id}><${Offered} interaction=${each} isQueued /></li>`)}
  <//>`;
}

function Done() {
  const [isAsked, setAsked] = useState(false);
  useEffect(() => acts.need(() => loadDone().then(() => setAsked(true))), [state.reloads.value]);
  const done = state.done.value;
  if (!done.length) {
    return html`<div class="empty small"><${Icon} name="circle-check" /><h3>${isAsked ? "Nothing is done yet" : "Looking…"}</h3>
      <p>What you mark as Done stands here. To write again, create a new interaction with the contact.</p></div>`;
  }
  return html`<${Group} words="Done by you" figure=${done.length}>${done.map(row)}<//>`;
}

function Group({ words, figure, children }) {
  return html`<h2 class="group">${words} <span class="figure">${figure}</span></h2><ul>${children}</ul>`;
}

const row = (interaction) => html`<li key=${interaction.id}><${InteractionRow} interaction=${interaction} /></li>`;

function InteractionRow({ interaction }) {
  return html`<${Row} href=${`#/desk/${interaction.id}`} contact=${state.contacts.value.get(interaction.contact_id)}
    last=${interaction.last} at=${interaction.last?.at ?? interaction.last_activity_at} draftKey=${interaction.id}
    isCurrent=${state.current.value?.id === interaction.id} />`;
}

/** Waiting: to be taken where it stands. */
function Offered({ interaction, left, isQueued }) {
  const contact = state.contacts.value.get(interaction.contact_id);
  const [kind, , text] = lastWords(interaction.last);
  const isForOther = interaction.offered_to && interaction.offered_to !== state.me.value && now.value < new Date(interaction.offered_until);
  return html`<div class="row is-waiting">
    <${Avatar} name=${nameOf(contact)} id=${contact?.id} />
    <span class="name"><${Person} contact=${contact} /></span>
    <time class="when">${isQueued ? span(ago(interaction.opened_at)) : span(left)}</time>
    <span class=${`last ${kind}`} dir="auto">${text}</span><span class="flag"></span>
    <div class="take">
      ${isForOther
        ? html`<span class="when">Offered to ${state.agents.value.get(interaction.offered_to)?.name ?? interaction.offered_to} first</span>`
        : html`<button class="button primary small" onClick=${() => acts.accept(interaction, { isToWrite: true })}>Accept ${!isQueued && html`<kbd>a</kbd>`}</button>`}
      ${!isQueued && html`<button class="button quiet small" onClick=${() => acts.decline(interaction)}>Not now</button>`}
    </div>
  </div>`;
}
