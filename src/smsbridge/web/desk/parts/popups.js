// Pop-ups: what is offered, and who answered. They arrive at the upper end and never take the focus.
import { html, useEffect } from "../lib/html.js";
import { now } from "../lib/times.js";
import { lastWords, nameOf, number } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import { Avatar } from "./avatar.js";
import { Person } from "./person.js";

const REPLY_LASTS_MS = 12_000;
const ROUND = 2 * Math.PI * 17.5;

export function PopUps() {
  const [first, ...others] = state.offers.value; // one at a time: the others stand in the list
  const replies = state.replies.value.filter((each) => now.value - each.at < REPLY_LASTS_MS);
  return html`<div class="pop-ups" aria-label="Pop-ups" role="region">
    ${first && html`<${Offer} key=${first[0].id} interaction=${first[0]} left=${first[1]} others=${others.length} />`}
    ${replies.map((each) => html`<${Reply} key=${each.contactId} reply=${each} />`)}
    <${ReadAloud} />
  </div>`;
}

function Offer({ interaction, left, others }) {
  const contact = state.contacts.value.get(interaction.contact_id);
  const seconds = Math.ceil(left / 1000);
  const [, , words] = lastWords(interaction.last);
  return html`<section class="offer" role="alertdialog" aria-label=${`New text from ${nameOf(contact)}`} data-focus="never">
    <div class="top">
      <div>
        <p class="why">${contact?.assigned_to === state.me.value ? "Assigned to you" : "New text"}</p>
        <h2><${Person} contact=${contact} /></h2>
        ${contact?.name && html`<span class="number">${number(contact.number)}</span>`}
      </div>
      <span class="countdown" role="timer" aria-label=${`${seconds} seconds left`}>
        <svg viewBox="0 0 40 40" aria-hidden="true">
          <circle class="whole" cx="20" cy="20" r="17.5" />
          <circle class="left" cx="20" cy="20" r="17.5" stroke-dasharray=${`${(ROUND * Math.min(left, 30_000)) / 30_000} ${ROUND}`} />
        </svg>${seconds}
      </span>
    </div>
    ${words && html`<blockquote dir="auto">${words}</blockquote>`}
    <p class="about"><span class="chip">to ${number(interaction.sender)}</span>
      ${others > 0 && html`<span class="chip">${others} more in the list</span>`}</p>
    <div class="acts">
      <button class="button primary large" onClick=${() => acts.accept(interaction, { isToWrite: true })}>Accept <kbd>a</kbd></button>
      <button class="button large" onClick=${() => acts.decline(interaction)}>Not now</button>
    </div>
  </section>`;
}

function Reply({ reply }) {
  const contact = state.contacts.value.get(reply.contactId);
  const drop = () => (state.replies.value = state.replies.value.filter((each) => each !== reply));
  useEffect(() => {
    if (state.currentContactId.value === reply.contactId) drop();
  }, [state.currentContactId.value]);
  const interaction = state.interactions.value.get(reply.interactionId);
  const href = interaction ? `#/desk/${interaction.id}` : `#/communication/${reply.contactId}`;
  return html`<section class="reply" aria-label=${`${nameOf(contact)} answered`}>
    <${Avatar} name=${nameOf(contact)} id=${contact?.id} />
    <div><p class="name"><${Person} contact=${contact} /> answered</p><p class="last" dir="auto">${reply.text || "A picture"}</p></div>
    <a class="button small" href=${href} onClick=${drop}>Show</a>
  </section>`;
}

/** For a screen reader, in or out of view: what came, once and politely; what failed, at once. */
function ReadAloud() {
  const offer = state.offers.value[0]?.[0];
  const from = nameOf(state.contacts.value.get(offer?.contact_id));
  return html`<p class="unseen" role="status">${offer && `New text from ${from}. Press a to accept.`}</p>
    <p class="unseen" role="status">${state.heard.value}</p>
    <p class="unseen" aria-live="assertive">${state.failed.value}</p>`;
}

