// The phones, one tab each.
import { html, Icon, useRef } from "/desk/assets/lib/html.js";
import { number } from "/desk/assets/lib/words.js";
import { addPhone, current, MOST, phone, phones, unreadOf } from "../lib/phones.js";
import { Phone } from "./phone.js";

export function Phones() {
  const tabs = useRef(null);
  const shown = phones.value.length ? phones.value : [phone.value];

  function walk(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = shown.findIndex((each) => each.number === current.value);
    const next = (at + step + shown.length) % shown.length;
    current.value = shown[next].number;
    tabs.current.children[next].focus();
  }

  return html`<section class="bench" id="phone" aria-label="Phones">
    <div class="phones">
      <div class="tabs" role="tablist" aria-label="Phones" ref=${tabs} onKeyDown=${walk}>
        ${shown.map((each) => html`<${Tab} key=${each.number} phone=${each} />`)}
      </div>
      ${shown.length < MOST && html`<button class="icon-button" aria-label="One more phone" title="One more phone" onClick=${addPhone}><${Icon} name="plus" /></button>`}
    </div>
    <${Phone} key=${current.value} phone=${phone.value} />
    <p class="demo-note"><span class="number">${number(current.value)}</span></p>
  </section>`;
}

function Tab({ phone: each }) {
  const isCurrent = each.number === current.value;
  const unread = unreadOf(each);
  return html`<button
    role="tab" id=${`tab-${each.number.slice(1)}`} aria-selected=${isCurrent} aria-controls=${isCurrent ? "screen" : undefined}
    tabindex=${isCurrent ? 0 : -1} onClick=${() => (current.value = each.number)}
  >${each.label}${unread > 0 && html` <span class="unread">${unread}<span class="unseen"> unread</span></span>`}</button>`;
}
