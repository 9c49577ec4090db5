// One text: what was said, who said it, when, and what became of it.
import { html, Icon } from "../lib/html.js";
import { keepDraft } from "../lib/drafts.js";
import { at } from "../lib/times.js";
import { BUBBLES, STATES, agentName, firstWord, nameOf } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import * as unsent from "../lib/unsent.js";
import { Attachments } from "./attachments.js";

const EMOJI_ONLY = /^(?:\p{Extended_Pictographic}|\p{Emoji_Component}|\s){1,24}$/u;
const HAS_PICTOGRAPH = /\p{Extended_Pictographic}/u;

export function Message({ message, contact, isContinued, isContinuing, seq }) {
  const { direction, text, attachments, status } = message;
  const isOut = direction === "outbound";
  const isBig = HAS_PICTOGRAPH.test(text) && EMOJI_ONLY.test(text);
  const classes = ["message", isOut ? "out" : "in", isContinued && "cont", isOut && BUBBLES[status]].filter(Boolean).join(" ");
  return html`<li class=${classes} data-seq=${seq} data-message=${message.id}>
    ${attachments.length > 0 && html`<${Attachments} attachments=${attachments} isOut=${isOut} />`}
    ${text && html`<p class=${`bubble${isBig ? " big-emoji" : ""}`} dir="auto">${text}</p>`}
    ${!isContinuing && html`<div class="meta">
      ${isOut
        ? message.agent && message.agent.id !== state.me.value && html`<span class="who">${firstWord(agentName(message.agent))}</span>`
        : html`<span class="who">${contact.name ? firstWord(nameOf(contact)) : "Contact"}</span>`}
      <time datetime=${message.created_at}>${at(message.created_at)}</time>
      ${message.quick_reply && html`<span>Quick reply</span>`}
      ${message.rerouted_from && html`<span>Through ${message.carrier}</span>`}
      ${isOut && html`<${StateWord} name=${status} message=${message} />`}
      ${isOut && status === "queued" && html`<button class="link" onClick=${() => acts.cancel(message)}>Cancel</button>`}
    </div>`}
  </li>`;
}

function StateWord({ name, message }) {
  const [icon, words] = STATES[name] ?? ["clock-3", name];
  const parts = message?.parts.length ?? 1;
  const arrived = message?.parts.filter((part) => part.status === "delivered").length ?? 0;
  const several = parts > 1 && ["sent", "delivered", "undelivered", "uncertain"].includes(name) ? `, ${arrived} of ${parts} parts arrived` : "";
  return html`<span class=${`state-word ${name}`}><${Icon} name=${icon} />${words}${several}</span>`;
}

/** A text that the bridge does not have yet, or did not take. */
export function Unsent({ item }) {
  const name = item.state === "taken" ? "queued" : item.state;
  const edit = () => {
    keepDraft(item.quick ? item.contactId : item.interactionId, { text: item.text, attachments: item.attachments ?? [] });
    unsent.drop(item.key);
  };
  return html`<li class=${`message out ${BUBBLES[name]}`}>
      ${item.attachments?.length > 0 && html`<${Attachments} attachments=${item.attachments} isOut />`}
      ${item.text && html`<p class="bubble" dir="auto">${item.text}</p>`}
      <div class="meta"><time datetime=${item.at}>${at(item.at)}</time><${StateWord} name=${name} /></div>
    </li>
    ${item.state === "refused" && html`<li class="notice error of-out"><${Icon} name="octagon-x" />
      <div>
        <p class="text"><strong>Not sent.</strong> ${item.overridable ? "This number is believed not to receive texts." : item.detail}</p>
        <div class="acts">
          ${item.overridable && html`<button class="button small" onClick=${() => unsent.insist(item.key)}>Send all the same</button>`}
          <button class="button small" onClick=${edit}>Change it</button>
          <button class="button small quiet" onClick=${() => unsent.drop(item.key)}>Leave it</button>
        </div>
      </div>
    </li>`}`;
}
