// Our words to the agent: what happened, what to do, and the evidence, in that order.
import { html, Icon, useState } from "../lib/html.js";
import { at } from "../lib/times.js";
import { NOTICE_ICONS } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";

/** `about` is the text that it speaks of, if it is one and loaded. What to do stands at the newest notice about it. */
export function Notice({ notice, about, isNewest, seq }) {
  const { kind, severity, text, advice, evidence, message_id } = notice;
  const [first, ...rest] = sentences(text);
  const side = severity === "info" ? "" : message_id ? (about?.direction === "inbound" ? "of-in" : "of-out") : kind.startsWith("opted") || kind === "attachment_problem" ? "of-in" : "of-out";
  return html`<li class=${`notice ${severity} ${side}`} data-kind=${kind} data-seq=${seq}>
    <${Icon} name=${NOTICE_ICONS[kind] ?? "triangle-alert"} />
    <div>
      <p class="text"><strong>${first}</strong>${" "}${rest.join(" ")}</p>
      ${advice && html`<p class="advice">${advice}</p>`}
      ${evidence && html`<p class="evidence">${[evidence.carrier, evidence.code && html`<code>${evidence.code}</code>`, evidence.text, at(evidence.at)]
        .filter(Boolean)
        .map((each, index) => html`${index > 0 && " · "}${each}`)}</p>`}
      ${isNewest && html`<${WhatToDo} notice=${notice} message=${about} />`}
    </div>
  </li>`;
}

/** Sending again is offered where it helps, and never without saying what it may do. */
function WhatToDo({ notice, message }) {
  const [isLeft, setLeft] = useState(false);
  if (!message || isLeft) return null;
  const interaction = state.interactions.value.get(message.interaction_id);
  if (interaction?.state === "done") return null;
  if (message.status === "uncertain" && notice.kind === "delivery_uncertain") {
    return html`<div class="acts">
      <button class="button small" onClick=${() => acts.retry(message)}>Send again all the same</button>
      <button class="button small quiet" onClick=${() => setLeft(true)}>Leave it</button>
    </div>`;
  }
  if (["failed", "undelivered"].includes(message.status) && !HOPELESS.has(notice.kind)) {
    return html`<div class="acts"><button class="button small" onClick=${() => acts.retry(message)}><${Icon} name="refresh-cw" />${notice.kind === "not_sms_capable" ? "Send again all the same" : "Send again"}</button></div>`;
  }
  return null;
}

/** Kinds after which the same text would only fail the same way. */
const HOPELESS = new Set(["wrong_sender_number", "opted_out", "attachment_refused", "attachment_problem", "content_rejected"]);

/** The first sentence stands out. */
function sentences(text) {
  const end = /[.:!?](\s|$)/.exec(text);
  return end ? [text.slice(0, end.index + 1), text.slice(end.index + 1).trim()] : [text];
}
