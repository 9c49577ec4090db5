// The whole desk: the door, or the bar and one place. `Desk` is the same without the bar's places, for the demo page.
import { html, useEffect } from "../lib/html.js";
import { begin } from "../lib/acts.js";
import { onKey } from "../lib/keys.js";
import { loadInteraction } from "../lib/loads.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import { Banner } from "./banner.js";
import { Bar, Channel, LineState } from "./bar.js";
import { Communication } from "./communication.js";
import { FindEverything } from "./find.js";
import { Help } from "./help.js";
import { List } from "./list.js";
import { Mark } from "./mark.js";
import { NewInteraction } from "./new.js";
import { Panel } from "./panel.js";
import { PopUps } from "./popups.js";
import { SignIn } from "./signin.js";
import { Team } from "./team.js";
import { Toast } from "./toast.js";
import { Empty, Transcript } from "./transcript.js";

export function App() {
  useDesk();
  if (state.session.value === undefined) return state.isUnanswered.value ? html`<${Unanswered} />` : null;
  if (state.session.value === null) return html`<${SignIn} />`;
  const { place } = state.place.value;
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the transcript</a>
    <div class="app">
      <${Bar} />
      <${Banner} />
      ${place === "team" && state.supervises.value
        ? html`<${Team} />`
        : place === "communication"
          ? html`<${Communication} />`
          : html`<${Workplace} />`}
      <${PopUps} />
      <${Toast} />
    </div>
    <${Dialogs} />
  `;
}

function Unanswered() {
  return html`<div class="sign-in"><main class="door">
    <span class="mark"><${Mark} /><span>smsbridge</span></span>
    <div><h1>The bridge does not answer</h1>
      <p class="lead">This page goes on asking, and opens by itself. What you have written is kept.</p></div>
  </main></div>`;
}

/** Inside another page, which has a bar of its own. */
export function Desk() {
  useDesk();
  if (!state.session.value) return html`<div class="empty"><h2>Nobody is signed in here</h2></div>`;
  return html`
    <div class="bar">
      <strong>Agent desk</strong>
      <span class="soft-note only-wide">signed in as ${state.session.value.agent.name || state.me.value}</span>
      <div class="end"><${LineState} /><${Channel} /></div>
    </div>
    <${Workplace} isInside />
    <${PopUps} />
    <${Toast} />
    <${Dialogs} />
  `;
}

/** List, transcript, panel: a sheet of paper on the ground. */
function Workplace({ isInside }) {
  const { id } = state.place.value;
  const current = state.current.value;
  const contact = current && state.contacts.value.get(current.contact_id);
  useEffect(() => {
    if (id && !state.interactions.value.has(id)) return acts.need(() => loadInteraction(id)); // somebody's link, or our own history
    return undefined;
  }, [id]);
  const Landmark = isInside ? "div" : "main";
  return html`<${Landmark} class="stage" id=${isInside ? undefined : "main"}>
    ${!isInside && html`<h1 class="unseen">Desk</h1>`}
    <div class=${`desk${current ? "" : " at-list"}`}>
      <${List} />
      <div class=${`sheet${current ? "" : " alone"}`}>
        ${current && contact
          ? html`<${Transcript} key=${current.id} interaction=${current} contact=${contact} />
              <${Panel} key=${`panel-${current.id}`} interaction=${current} contact=${contact} />`
          : html`<${Empty} />`}
      </div>
    </div>
  <//>`;
}

function Dialogs() {
  const name = state.dialog.value;
  if (name === "help") return html`<${Help} />`;
  if (name === "find") return html`<${FindEverything} />`;
  if (name === "new") return html`<${NewInteraction} />`;
  return null;
}

function useDesk() {
  useEffect(() => {
    begin();
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  useAutoAnswer();
  useTitle();
}

/** Takes what is offered, for an agent who wants that. What others take meanwhile is theirs. */
function useAutoAnswer() {
  const isWilling = Boolean(state.status.value?.auto_answer);
  const first = state.offers.value[0]?.[0];
  useEffect(() => {
    if (isWilling && first) acts.accept(first, { isAuto: true });
  }, [isWilling, first?.id]);
}

function useTitle() {
  const count = state.unreadHere.value + state.offers.value.length;
  const contact = state.contacts.value.get(state.currentContactId.value);
  const title = [contact?.name || contact?.number, "Desk", "smsbridge"].filter(Boolean).join(" · ");
  useEffect(() => {
    document.title = count ? `(${count}) ${title}` : title;
    if (navigator.setAppBadge) (count ? navigator.setAppBadge(count) : navigator.clearAppBadge()).catch(() => {});
  }, [count, title]);
}

function skip(event) {
  event.preventDefault();
  (document.querySelector(".transcript .scroll") ?? document.getElementById("main"))?.focus();
}
