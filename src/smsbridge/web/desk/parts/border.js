// Where one interaction ends and the next begins: a rule with a sentence.
import { html } from "../lib/html.js";
import { at, day, isSameDay } from "../lib/times.js";
import { agentName } from "../lib/words.js";
import * as state from "../lib/state.js";

const by = (agent) => (!agent ? "" : agent.id === state.me.value ? "you" : agentName(agent));
const REASONS = { idle: "Idle, ended", opted_out: "Ended: opted out", desktop: "Ended at the desktop" };

export function Border({ entry }) {
  const { border, agent, reason, disposition, note } = entry.interaction;
  const time = at(entry.at);
  switch (border) {
    case "opened":
      return html`<li class="border begins" data-seq=${entry.seq}><p><strong>${day(entry.at)}</strong> ${time}${agent && ` · ${by(agent)}`}</p></li>`;
    case "accepted":
      return html`<li class="border begins" data-seq=${entry.seq}><p>${reason === "assigned" ? "Assigned to" : "Accepted by"} ${by(agent)} ${time}</p></li>`;
    case "reactivated":
      return html`<li class="border begins" data-seq=${entry.seq}><p>Active again ${time}${agent && ` · ${by(agent)}`}</p></li>`;
    case "ended":
      return html`<li class="border" data-seq=${entry.seq}><p>${REASONS[reason] ?? `Ended${agent ? ` by ${by(agent)}` : ""}`} <strong>${isSameDay(entry.at, Date.now()) ? time : `${day(entry.at)}, ${time}`}</strong></p></li>`;
    default:
      return html`<li class="border" data-seq=${entry.seq}>
        <p><strong>Done${disposition ? `: ${disposition}` : ""}</strong>${agent && html` <span>·</span> ${by(agent)}`} ${time}</p>
        ${note && html`<p class="note-kept">“${note}”</p>`}
      </li>`;
  }
}
