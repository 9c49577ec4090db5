// The team: who is Ready, who has what, and giving an interaction to somebody else.
import { html, Icon, useEffect, useState } from "../lib/html.js";
import * as api from "../lib/api.js";
import { loadOpen } from "../lib/loads.js";
import { ago, now, span } from "../lib/times.js";
import { agentName, lastWords, nameOf } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import { Avatar } from "./avatar.js";
import { Person } from "./person.js";

const LATE_MS = 60_000;

export function Team() {
  const ask = async () => {
    await loadOpen();
    const page = await api.get("/agents");
    state.merge(state.agents, page.items.map((each) => [each.id, each]));
  };
  useEffect(() => acts.need(ask), [state.reloads.value]);
  const open = [...state.interactions.value.values()].filter((each) => each.state !== "done").sort(byUrgency);
  const count = (name) => open.filter((each) => each.state === name).length;
  const agents = [...state.agents.value.values()];
  const ready = agents.filter((each) => each.ready).length;
  const oldest = state.waiting.value[0];
  return html`<main class="place" id="main" aria-label="Team" tabindex="0"><div class="inner">
    <div class="place-head"><div><h1>Team</h1><p>${oldest ? `The longest wait is ${span(ago(oldest.opened_at))}.` : "Nobody waits."}</p></div></div>
    <dl class="figures">
      <div class=${count("waiting") ? "is-warn" : ""}><dt>${oldest ? `waiting, oldest ${span(ago(oldest.opened_at))}` : "waiting"}</dt><dd>${count("waiting")}</dd></div>
      <div><dt>active</dt><dd>${count("active")}</dd></div>
      <div><dt>ended, not done</dt><dd>${count("ended")}</dd></div>
      <div><dt>agents ready</dt><dd>${ready} <small>of ${agents.length}</small></dd></div>
    </dl>
    <div class="team">
      <section class="agents" aria-labelledby="agents-h">
        <div class="part-head"><h2 id="agents-h">Agents</h2><span class="end">${agents.length}</span></div>
        <div class="table-wrap" tabindex="0" role="group" aria-label="Table of agents, may scroll"><table class="table">
          <thead><tr><th scope="col">Agent</th><th scope="col">SMS, since</th><th scope="col" class="n">Active</th></tr></thead>
          <tbody>${agents.map((agent) => html`<${AgentRow} key=${agent.id} agent=${agent} active=${open.filter((each) => each.state === "active" && each.agent?.id === agent.id).length} />`)}</tbody>
        </table></div>
      </section>
      <section aria-labelledby="open-h">
        <div class="part-head"><h2 id="open-h">Open interactions</h2><span class="end">${open.length}, longest wait first</span></div>
        ${open.length
          ? html`<div class="table-wrap" tabindex="0" role="group" aria-label="Table of interactions, may scroll"><table class="table">
              <thead><tr><th scope="col">Contact</th><th scope="col">State</th><th scope="col">Agent</th><th scope="col" class="n">Age</th><th scope="col">Last words</th><th scope="col" class="n">Quiet for</th><th scope="col"><span class="unseen">Reassign</span></th></tr></thead>
              <tbody>${open.map((each) => html`<${OpenRow} key=${each.id} interaction=${each} agents=${agents} />`)}</tbody>
            </table></div>`
          : html`<div class="empty small"><${Icon} name="inbox" /><h3>Nothing is open</h3><p>New texts stand here as they come.</p></div>`}
      </section>
    </div>
  </div></main>`;
}

const ORDER = { waiting: 0, active: 1, ended: 2 };
const byUrgency = (one, other) => ORDER[one.state] - ORDER[other.state] || one.last_activity_at.localeCompare(other.last_activity_at);

function AgentRow({ agent, active }) {
  const words = agent.ready ? (agent.auto_answer ? "Auto-answer" : "Ready") : agent.reason || "Not ready";
  const since = new Date(agent.changed_at) > 0 ? span(now.value - new Date(agent.changed_at)) : "";
  return html`<tr class=${agent.ready ? "" : "soft"}>
    <td><span class="who"><${Avatar} name=${agentName(agent)} id=${agent.id} size="small" /><span class="one-line">${agentName(agent)}${agent.id === state.me.value ? ", you" : ""}</span></span></td>
    <td><span class="state"><span class=${`dot${agent.ready ? "" : " hollow"}`}></span>${words} <span class="soft">${since}</span></span></td>
    <td class="n">${active}</td>
  </tr>`;
}

const CHIPS = { waiting: "warn", active: "good", ended: "" };

function OpenRow({ interaction, agents }) {
  const contact = state.contacts.value.get(interaction.contact_id);
  const [, , words] = lastWords(interaction.last);
  const quiet = ago(interaction.last_activity_at);
  return html`<tr>
    <td><a class="who" href=${`#/desk/${interaction.id}`}><${Avatar} name=${nameOf(contact)} id=${contact?.id} size="small" /><span class="one-line name"><${Person} contact=${contact} /></span></a></td>
    <td><span class=${`chip ${CHIPS[interaction.state]}`}>${interaction.state}</span></td>
    <td>${interaction.agent ? agentName(interaction.agent) : interaction.state === "waiting" ? html`<span class="state soft"><${Icon} name="hourglass" />nobody yet</span>` : html`<span class="soft">nobody</span>`}</td>
    <td class="n">${span(ago(interaction.opened_at))}</td>
    <td class="wide" dir="auto">${words}</td>
    <td class=${`n${interaction.state === "waiting" && quiet > LATE_MS ? " late" : ""}`}>${span(quiet)}</td>
    <td class="acts">${interaction.state !== "ended" && html`<${Reassign} interaction=${interaction} agents=${agents} name=${nameOf(contact)} />`}</td>
  </tr>`;
}

/** A choice, and then it is done: the agents hear of it at once. */
function Reassign({ interaction, agents, name }) {
  const [isAsking, setAsking] = useState(false);
  const give = async (event) => {
    const to = agents.find((each) => each.id === event.target.value) ?? null;
    event.target.selectedIndex = 0;
    setAsking(true);
    const said = await acts.assign(interaction, to);
    setAsking(false);
    if (said) acts.say(to ? `${name} is with ${agentName(to)} now` : `${name} waits for anybody now`);
  };
  return html`<select class="quiet" aria-label=${`Reassign ${name}`} disabled=${isAsking} onChange=${give}>
    <option hidden>Reassign…</option>
    ${agents.filter((each) => each.id !== interaction.agent?.id).map((each) => html`<option value=${each.id}>${agentName(each)}${each.ready ? "" : ", not ready"}</option>`)}
    ${interaction.agent && html`<option value="">Back to the queue</option>`}
  </select>`;
}
