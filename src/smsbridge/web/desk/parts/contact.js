// The contact: who it is, what is known of the number, and what colleagues wrote down. All of it can be changed here.
import { html, Icon, useEffect, useState } from "../lib/html.js";
import * as api from "../lib/api.js";
import { at, day, isSameDay } from "../lib/times.js";
import { CAPABILITY, nameOf, number } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import { Avatar } from "./avatar.js";
import { Person } from "./person.js";

export function ContactCard({ contact, sender, children }) {
  const [isEditing, setEditing] = useState(false);
  return html`<section class="contact" aria-label="Contact information">
    <div class="person">
      <${Avatar} name=${nameOf(contact)} id=${contact.id} size="large" />
      <h2><${Person} contact=${contact} /></h2>
      <button class="icon-button" aria-label="Edit contact" aria-pressed=${isEditing} onClick=${() => setEditing(!isEditing)}><${Icon} name="pencil" /></button>
      ${contact.name && html`<span class="number">${number(contact.number)}</span>`}
    </div>
    ${children}
    ${isEditing ? html`<${Edit} contact=${contact} onClose=${() => setEditing(false)} />` : html`<${Facts} contact=${contact} sender=${sender} />`}
  </section>`;
}

function Facts({ contact, sender }) {
  const report = useReport(contact);
  const [kind, icon, words] = CAPABILITY[report?.sms_capable ?? contact.sms_capability] ?? CAPABILITY.unknown;
  const type = report && report.type !== "unknown" ? `, ${report.type.replaceAll("_", " ")}` : "";
  const consent = contact.opt_outs.find((each) => each.sender === sender) ?? (sender ? null : contact.opt_outs[0]);
  const assigned = contact.assigned_to === state.me.value ? "You" : state.agents.value.get(contact.assigned_to)?.name || contact.assigned_to || "Nobody";
  return html`<dl class="facts">
    <dt>Texts</dt><dd class=${kind}><${Icon} name=${icon} />${words}${kind === "good" ? type : ""}</dd>
    ${kind === "bad" && report?.reason && html`<dt>Known because</dt><dd>${report.reason}</dd>`}
    <dt>Consent</dt><dd class=${consent?.opted_out ? "bad" : ""}>${consent
      ? `${consent.opted_out ? "Opted out" : "Opted in"}, ${isSameDay(consent.changed_at, Date.now()) ? at(consent.changed_at) : day(consent.changed_at)}`
      : "Never asked to stop"}</dd>
    <dt>Assigned to</dt><dd>${assigned}</dd>
    ${Object.entries(contact.attributes).map(([name, value]) => html`<dt>${name}</dt><dd><bdi>${breakable(String(value ?? ""))}</bdi></dd>`)}
  </dl>`;
}

/** A long address breaks after a sign, not within a word. */
const breakable = (text) => text.split(/(?<=[@./_-])/).flatMap((piece, at) => (at ? [html`<wbr />`, piece] : [piece]));

/** What is known of the number: asked once, when it comes into view. */
function useReport(contact) {
  const [report, setReport] = useState(null);
  useEffect(() => {
    let isOver = false;
    setReport(null);
    acts.attempt(() => api.get(`/numbers/${encodeURIComponent(contact.number)}`), { quietly: true }).then((said) => !isOver && said && setReport(said));
    return () => (isOver = true);
  }, [contact.id, contact.sms_capability]);
  return report;
}

function Edit({ contact, onClose }) {
  const [name, setName] = useState(contact.name ?? "");
  const [rows, setRows] = useState(() => Object.entries(contact.attributes).map(([key, value]) => [key, String(value ?? "")]));
  const [assigned, setAssigned] = useState(contact.assigned_to ?? "");
  const save = async (event) => {
    event.preventDefault();
    const kept = rows.filter(([key]) => key.trim()).map(([key, value]) => [key.trim(), unchanged(contact, key, value)]);
    const said = await acts.changeContact(contact, { name: name.trim() || null, attributes: Object.fromEntries(kept), assigned_to: assigned || null });
    if (said) onClose();
  };
  const put = (at, column, value) => setRows(rows.map((row, index) => (index === at ? row.with(column, value) : row)));
  return html`<form class="stack" onSubmit=${save}>
    <label class="field"><span class="label">Name</span><input type="text" value=${name} maxlength="200" onInput=${(event) => setName(event.target.value)} /></label>
    <label class="field"><span class="label">Assigned to</span><select value=${assigned} onChange=${(event) => setAssigned(event.target.value)}>
      <option value="">Nobody</option>
      ${[...state.agents.value.values()].map((agent) => html`<option value=${agent.id} selected=${agent.id === assigned}>${agent.name || agent.id}</option>`)}
    </select></label>
    <fieldset class="pairs"><legend class="label">Details</legend>
      ${rows.map(([key, value], at) => html`<div class="pair" key=${at}>
        <input type="text" aria-label="What" value=${key} maxlength="100" onInput=${(event) => put(at, 0, event.target.value)} />
        <input type="text" aria-label=${`Value of ${key || "the new detail"}`} value=${value} maxlength="1000" onInput=${(event) => put(at, 1, event.target.value)} />
        <button type="button" class="icon-button" aria-label=${`Remove ${key || "this detail"}`} onClick=${() => setRows(rows.filter((_, index) => index !== at))}><${Icon} name="x" /></button>
      </div>`)}
      <button type="button" class="button quiet small" onClick=${() => setRows([...rows, ["", ""]])}><${Icon} name="plus" />Add a detail</button>
    </fieldset>
    <${Consent} contact=${contact} />
    <div class="acts"><button type="button" class="button" onClick=${onClose}>Leave it</button><button class="button primary">Save</button></div>
  </form>`;
}

/** A value that nobody touched keeps its type. */
const unchanged = (contact, key, value) => (String(contact.attributes[key] ?? "") === value && key in contact.attributes ? contact.attributes[key] : value);

/** The contact asked, in words of their own, to be left alone, or to be texted again. */
function Consent({ contact }) {
  const choose = async ({ target }, sender) => {
    await acts.setOptOut(contact, sender, !target.checked);
    target.checked = !isOut(state.contacts.value.get(contact.id) ?? contact, sender); // also where the bridge did not take it
  };
  return html`<fieldset class="pairs"><legend class="label">May be texted from</legend>
    ${state.senders.value.map((sender) => html`<label class="switch" key=${sender.number}><input type="checkbox" role="switch"
      checked=${!isOut(contact, sender.number)} onChange=${(event) => choose(event, sender.number)} /> <span class="number">${number(sender.number)}</span></label>`)}
  </fieldset>`;
}

const isOut = (contact, sender) => contact.opt_outs.some((each) => each.sender === sender && each.opted_out);
