// The panel: the contact, this case, the history; at its foot the wrap-up.
import { html, Icon, useEffect, useLayoutEffect, useState } from "../lib/html.js";
import * as api from "../lib/api.js";
import { keepInteractions } from "../lib/loads.js";
import { at, day, isSameDay, lasted, when } from "../lib/times.js";
import { agentName, number, plural } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import { ContactCard } from "./contact.js";
import { Tabs } from "./tabs.js";
import { WrapUp } from "./wrapup.js";

export function Panel({ interaction, contact }) {
  const isEnded = interaction.state === "ended";
  const tabs = isEnded
    ? [["wrap-up", "Wrap-up"], ["contact", "Contact"], ["history", "History"]]
    : [["contact", "Contact"], ["case", "Case"], ["history", "History"]];
  const [chosen, setChosen] = useState(isEnded ? "wrap-up" : "contact");
  useLayoutEffect(() => { // before the next key; what nobody here did must not take away what somebody reads or writes
    if (isEnded && interaction.end_reason === "agent") setChosen("wrap-up");
  }, [isEnded]);
  const tab = tabs.some(([name]) => name === chosen) ? chosen : tabs[0][0];
  const words = tabs.find(([name]) => name === tab)[1];
  return html`<section class=${`panel is-double${state.isPanelOpen.value ? " is-open" : ""}`} id="panel" aria-label="Contact, case and history">
    <div class="top">
      <${Tabs} label="About this interaction" classes="under" tabs=${tabs} value=${tab} onChange=${setChosen} />
      <button class="icon-button close" aria-label="Close" onClick=${() => (state.isPanelOpen.value = false)}><${Icon} name="x" /></button>
    </div>
    <div class="scroll" tabindex="0" role="group" aria-label=${words}>
      <h2 class="unseen">${words}</h2>
      ${tab === "contact" && html`<${ContactCard} contact=${contact} sender=${interaction.sender} /><${Case} interaction=${interaction} /><${History} contact=${contact} most=${5} />`}
      ${tab === "case" && html`<${Case} interaction=${interaction} isWhole />`}
      ${tab === "history" && html`<${History} contact=${contact} />`}
      ${tab === "wrap-up" && html`<${WrapUp} interaction=${interaction} isWhole /><${InShort} interaction=${interaction} />`}
    </div>
    ${tab !== "wrap-up" && interaction.state !== "waiting" && html`<${WrapUp} interaction=${interaction} />`}
  </section>`;
}

const moment = (time) => (isSameDay(time, Date.now()) ? at(time) : `${day(time)}, ${at(time)}`);

function Case({ interaction, isWhole }) {
  const { sender, direction, opened_at, accepted_at, ended_at, agent, carrier, disposition } = interaction;
  const inbound = direction === "inbound";
  const name = state.senders.value.find((each) => each.number === sender)?.name;
  return html`<section aria-label="Case"><h3>This interaction</h3><dl class="facts">
    <dt>${inbound ? "Texted to" : "Texted from"}</dt><dd><span class="number">${number(sender)}</span>${name && `, ${name}`}</dd>
    <dt>Opened</dt><dd>${moment(opened_at)} by ${inbound ? "the contact" : agentName(agent) || "an agent"}</dd>
    ${accepted_at && inbound && html`<dt>Taken after</dt><dd>${lasted(new Date(accepted_at) - new Date(opened_at))}</dd>`}
    ${agent && html`<dt>Agent</dt><dd>${agent.id === state.me.value ? "You" : agentName(agent)}</dd>`}
    ${isWhole && html`<dt>Carrier</dt><dd>${carrier}</dd><dt>State</dt><dd>${interaction.state}</dd>`}
    ${ended_at && html`<dt>Ended</dt><dd>${moment(ended_at)}</dd>`}
    ${disposition && html`<dt>Disposition</dt><dd>${disposition}</dd>`}
    ${isWhole && html`<dt>Id</dt><dd class="wrap">${interaction.id}</dd>`}
  </dl></section>`;
}

function InShort({ interaction }) {
  const entries = state.transcripts.value.get(interaction.contact_id)?.entries ?? [];
  const texts = entries.filter((entry) => entry.message?.interaction_id === interaction.id).map((entry) => entry.message);
  const out = texts.filter((each) => each.direction === "outbound");
  const open = out.filter((each) => each.status === "uncertain").length;
  return html`<section aria-label="Summary"><h3>In short</h3><dl class="facts">
    <dt>Lasted</dt><dd>${lasted(new Date(interaction.ended_at ?? Date.now()) - new Date(interaction.opened_at))}</dd>
    <dt>Texts</dt><dd>${texts.length - out.length} in, ${out.length} out${open ? `, ${open} uncertain` : ""}</dd>
    <dt>Segments</dt><dd>${out.reduce((sum, each) => sum + each.segments.count, 0)}</dd>
  </dl></section>`;
}

export function History({ contact, most = 50 }) {
  const [past, setPast] = useState(null);
  const ask = async (isOver) => {
    const page = await api.get("/interactions", { contact: contact.id, limit: most + 1 });
    if (!isOver()) setPast(page.items);
  };
  useEffect(() => acts.need(ask, { quietly: true }), [contact.id, state.current.value?.state]);
  return html`<section aria-label="Earlier interactions"><h3>Interactions <span class="end">${past && (past.length > most ? `the last ${most}` : past.length)}</span></h3>
    ${past && html`<ol class="past">${past.slice(0, most).map((each) => html`<li key=${each.id}>
      <a href=${`#/desk/${each.id}`} aria-current=${state.current.value?.id === each.id ? "true" : undefined} onClick=${() => state.interactions.value.has(each.id) || keepInteractions([{ ...each, contact: null }])}>
        <span class="first" dir="auto">${each.last?.text || (each.direction === "inbound" ? "From the contact" : "From us")}</span>
        <span class="when">${when(each.opened_at)}</span>
        <span class="by">${[agentName(each.agent), each.state === "done" ? each.disposition || "done" : each.state].filter(Boolean).join(", ")}</span><span></span>
      </a></li>`)}</ol>`}
    ${past?.length === 0 && html`<p>${plural(0, "interaction")} yet.</p>`}
  </section>`;
}
