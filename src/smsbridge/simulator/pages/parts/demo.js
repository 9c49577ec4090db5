// The whole page. Wide: everything side by side; narrow: one of four views.
import { html } from "/desk/assets/lib/html.js";
import { offers, unreadHere } from "/desk/assets/lib/state.js";
import { Mark } from "/desk/assets/parts/mark.js";
import * as story from "../lib/story.js";
import * as stream from "../lib/stream.js";
import { unread } from "../lib/phones.js";
import { view } from "../lib/view.js";
import { Checklist } from "./checklist.js";
import { DeskWindow } from "./desk-window.js";
import { Faults } from "./faults.js";
import { Personas } from "./personas.js";
import { Phones } from "./phones.js";
import { ThemeButton } from "./theme.js";
import { Wire } from "./wire.js";

const VIEWS = [["phone", "Phone"], ["desk", "Desk"], ["wire", "Traffic"], ["guide", "Guide"]];
const kept = document.querySelector('meta[name="kept"]')?.content;

stream.follow();
story.follow();

export function Demo() {
  return html`<div class="app">
    <${Bar} />
    <main class="demo" data-view=${view.value} onKeyDown=${keepFromDesk}>
      <${Switcher} />
      <${Phones} />
      <${DeskWindow} />
      <aside class="guide" id="guide" aria-label="Guide, personas and faults">
        <${Checklist} /><${Personas} /><${Faults} />
      </aside>
      <${Wire} />
    </main>
  </div>`;
}

/** The desk's own keys are for those who are at the desk, and not for those who hold a phone. */
function keepFromDesk(event) {
  if (!event.target.closest("#desk")) event.stopPropagation();
}

function Bar() {
  return html`<header class="bar">
    <a class="mark" href="/demo" aria-label="smsbridge"><${Mark} /><span>smsbridge</span></a>
    <h1 class="demo-note"><strong>Demo</strong> <span class="only-desk">Nothing leaves this computer. <span class="kept">${kept}</span></span></h1>
    <div class="end">
      <a class="button quiet small only-desk" href="/docs">API docs</a>
      <a class="button quiet small only-desk" href="/desk">Desk alone</a>
      <a class="button quiet small only-desk" href="/phone">Phone alone</a>
      <a class="button small" href="/demo/connect">Connect a real number</a>
      <${ThemeButton} />
    </div>
  </header>`;
}

function Switcher() {
  const news = { phone: unread.value, desk: offers.value.length + unreadHere.value };
  return html`<nav class="switcher tabs" aria-label="Show">
    ${VIEWS.map(([name, title]) => html`<button aria-current=${view.value === name ? "page" : undefined} onClick=${() => (view.value = name)}>
      ${title}${news[name] > 0 && html` <span class="unread">${news[name]}<span class="unseen"> new</span></span>`}
    </button>`)}
  </nav>`;
}
