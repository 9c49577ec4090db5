// One line of a list: who, the last words, when, and what is unread.
import { html, Icon } from "../lib/html.js";
import { draftOf } from "../lib/drafts.js";
import { when } from "../lib/times.js";
import { lastWords, nameOf } from "../lib/words.js";
import * as state from "../lib/state.js";
import { Avatar } from "./avatar.js";
import { Person } from "./person.js";

export function Row({ href, contact, last, at, isCurrent, draftKey, onClick }) {
  const unread = state.unreadOf(contact?.id);
  const draft = draftOf(draftKey).text;
  const isOptedOut = contact?.opt_outs?.some((each) => each.opted_out);
  return html`<a class=${`row${unread ? " is-unread" : ""}`} href=${href} aria-current=${isCurrent ? "true" : undefined} onClick=${onClick}>
    <${Avatar} name=${nameOf(contact)} id=${contact?.id} />
    <span class="name"><${Person} contact=${contact} /></span>
    <time class="when" datetime=${at}>${at && when(at)}</time>
    ${draft && !isCurrent ? html`<span class="last draft" dir="auto"><b>Draft</b> ${draft}</span>` : html`<${Last} last=${last} isOptedOut=${isOptedOut} />`}
    <span class="flag">
      ${contact?.sms_capability === "no" && html`<${Icon} name="phone-off" />`}
      ${unread > 0 && html`<span class="unread" role="img" aria-label=${`${unread} unread`}>${unread > 99 ? "99+" : unread}</span>`}
    </span>
  </a>`;
}

function Last({ last, isOptedOut }) {
  if (isOptedOut) return html`<span class="last warn"><${Icon} name="ban" />Opted out</span>`;
  const [kind, icon, text] = lastWords(last);
  return html`<span class=${`last ${kind}`} dir="auto">${icon && html`<${Icon} name=${icon} />`}${text}</span>`;
}
