// The bar: where I am, what waits, whether the line lives, whether I am Ready.
import { html, Icon, useEffect, useRef, useState } from "../lib/html.js";
import { askToNotify, mayNotify } from "../lib/attention.js";
import { openDialog } from "../lib/keys.js";
import { ago, now, span } from "../lib/times.js";
import { agentName } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import { Avatar } from "./avatar.js";
import { Mark } from "./mark.js";

export function Bar() {
  return html`<header class="bar">
    <a class="mark" href="#/desk" aria-label="smsbridge"><${Mark} /><span>smsbridge</span></a>
    <nav class="places" aria-label="Places">
      <${Place} name="desk" icon="messages-square" words="Desk" unread=${state.unreadHere.value} />
      <${Place} name="communication" icon="contact" words="Communication" unread=${state.unreadAssigned.value} />
      ${state.supervises.value && html`<${Place} name="team" icon="users" words="Team" unread=${0} />`}
    </nav>
    <button class="find" aria-label="Search contacts and texts" onClick=${() => openDialog("find")}>
      <${Icon} name="search" /><span>Search contacts and texts</span><kbd>Ctrl K</kbd>
    </button>
    <div class="end">
      <${Waiting} />
      <${LineState} />
      <${AutoAnswer} classes="only-roomy only-desk" />
      <${Channel} />
      <${Bell} />
      <${Theme} />
      <${Who} />
    </div>
  </header>`;
}

function Place({ name, icon, words, unread }) {
  return html`<a href=${`#/${name}`} aria-current=${state.place.value.place === name ? "page" : undefined}>
    <${Icon} name=${icon} />${words}
    ${unread > 0 && html`<span class="unread" role="img" aria-label=${`${unread} unread`}>${unread > 99 ? "99+" : unread}</span>`}
  </a>`;
}

function Waiting() {
  const waiting = state.waiting.value;
  if (!waiting.length) return null;
  const show = () => (state.tab.value = "queue");
  return html`<a class="waiting only-desk" href="#/desk" onClick=${show} aria-label=${`${waiting.length} waiting`}>
    <${Icon} name="hourglass" />
    <span><strong>${waiting.length}</strong> waiting, oldest <strong>${span(ago(waiting[0].opened_at))}</strong></span>
  </a>`;
}

const LINES = {
  live: ["", "", "Live"],
  reconnecting: ["is-reconnecting", "warn", "Reconnecting"],
  offline: ["is-offline", "bad", "Offline"],
};

export function LineState() {
  const [classes, dot, words] = LINES[state.line.value];
  return html`<span class=${`line-state ${classes}`} role="status">
    <span class=${`dot ${dot}`}></span><span>${words}</span>
  </span>`;
}

function AutoAnswer({ classes = "" }) {
  const isOn = () => Boolean(state.status.value?.auto_answer);
  const choose = async ({ target }) => {
    await acts.setAutoAnswer(target.checked);
    target.checked = isOn(); // where the bridge did not take it, nothing else would put it back
  };
  return html`<label class=${`switch ${classes}`}>
    <input type="checkbox" role="switch" checked=${isOn()} onChange=${choose} /> Auto-answer
  </label>`;
}

const REASONS = ["After-work", "Break", "Meeting", "Training"];

/** Whether this agent is Ready for texts: one press, or a menu with reasons. */
export function Channel() {
  const [isOpen, setOpen] = useState(false);
  const box = useRef(null);
  const { ready, reason, changed_at } = state.status.value ?? {};
  useEffect(() => {
    if (!isOpen) return undefined;
    const close = (event) => {
      if (event.type === "keydown" ? event.key === "Escape" : !box.current.contains(event.target)) {
        event.preventDefault?.();
        setOpen(false);
      }
    };
    addEventListener("pointerdown", close);
    addEventListener("keydown", close, true);
    return () => {
      removeEventListener("pointerdown", close);
      removeEventListener("keydown", close, true);
    };
  }, [isOpen]);
  const choose = (isReady, why) => {
    setOpen(false);
    acts.setReady(isReady, why);
  };
  const since = changed_at && new Date(changed_at) > 0 ? span(now.value - new Date(changed_at)) : "";
  return html`<div class=${`channel${ready ? " is-ready" : ""}`} ref=${box}>
    <button class=${`state${ready ? "" : " pulse"}`} aria-pressed=${Boolean(ready)} title="Press y to change" onClick=${() => choose(!ready)}>
      <span class=${`dot${ready ? "" : " hollow"}`}></span>${ready ? "Ready" : "Not ready"}${" "}
      <span class="since">${[reason, since].filter(Boolean).join(" ")}</span>
    </button>
    <button class="more" aria-label="More states" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      <${Icon} name="chevron-down" />
    </button>
    ${isOpen && html`<div class="menu">
      <div role="menu" aria-label="SMS channel">
        <button class=${`item${ready ? " is-at" : ""}`} role="menuitemradio" aria-checked=${Boolean(ready)} onClick=${() => choose(true)}>
          <span class="dot"></span>Ready <span class="end"><kbd>y</kbd></span>
        </button>
        <hr role="presentation" />
        <p class="heading" role="presentation">Not ready</p>
        ${REASONS.map((each) => html`<button class=${`item${!ready && reason === each ? " is-at" : ""}`} role="menuitemradio"
          aria-checked=${!ready && reason === each} onClick=${() => choose(false, each)}>
          <span class="dot hollow"></span>${each}
          ${!ready && reason === each && html`<span class="end"><${Icon} name="check" /></span>`}
        </button>`)}
      </div>
      <hr />
      <div class="item"><${AutoAnswer} /></div>
      <div class="item"><${Setting} name="sound" words="Sound" /></div>
    </div>`}
  </div>`;
}

export function Setting({ name, words }) {
  return html`<label class="switch">
    <input type="checkbox" role="switch" checked=${state.settings.value[name]}
      onChange=${(event) => state.set(name, event.target.checked)} /> ${words}
  </label>`;
}

function Bell() {
  const [isOn, setOn] = useState(mayNotify() && state.settings.value.notifications !== false);
  const press = async () => {
    const wanted = !isOn && (mayNotify() || (await askToNotify()));
    state.set("notifications", wanted);
    setOn(wanted);
    if (!isOn && !wanted) acts.say("Your browser does not allow notifications from this page.", { bad: true });
  };
  return html`<button class="icon-button only-desk" aria-pressed=${isOn} title="Notifications while this page is behind others"
    aria-label=${isOn ? "Notifications are on" : "Notifications are off"} onClick=${press}><${Icon} name="bell" /></button>`;
}

export function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("smsbridge.theme", root.dataset.theme);
  } catch {
    // forbidden, or full: it lasts as long as the page
  }
}

const Theme = () => html`<button class="icon-button only-desk" aria-label="Light or dark" title="Light or dark" onClick=${toggleTheme}>
  <${Icon} name="sun-moon" />
</button>`;

function Who() {
  const { agent, role } = state.session.value;
  return html`<button class="avatar-button" aria-label=${`${agentName(agent)}, ${role}: help and signing out`} onClick=${() => openDialog("help")}>
    <${Avatar} name=${agentName(agent)} id=${agent.id} />
  </button>`;
}

