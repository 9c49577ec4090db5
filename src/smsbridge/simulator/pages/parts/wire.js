// The raw traffic between carrier and bridge, newest first.
import { html, Icon, useState } from "/desk/assets/lib/html.js";
import { now } from "/desk/assets/lib/times.js";
import { clear, lines } from "../lib/traffic.js";

const FILTERS = [["All", null], ["Webhooks", "webhook"], ["Sends", "send"], ["Receipts", "callback"]];
const NEW_MS = 4_000;
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

export function Wire() {
  const [kind, show] = useState(null);
  const [held, hold] = useState(null);
  const shown = (held ?? lines.value).filter((line) => !kind || line.kind === kind);

  function empty() {
    if (held) hold([]);
    clear();
  }

  return html`<section class="wire" id="wire" aria-label="Raw traffic">
    <div class="head">
      <h2>Raw traffic</h2>
      <div class="tabs" role="group" aria-label="Which traffic">
        ${FILTERS.map(([title, each]) => html`<button aria-current=${kind === each ? "true" : undefined} onClick=${() => show(each)}>${title}</button>`)}
      </div>
      <div class="end">
        <button class="icon-button" aria-label="Pause" title=${held ? "Go on" : "Pause"} aria-pressed=${held !== null}
          onClick=${() => hold(held ? null : lines.value)}><${Icon} name="pause" /></button>
        <button class="icon-button" aria-label="Clear" title="Clear" onClick=${empty}><${Icon} name="trash-2" /></button>
      </div>
    </div>
    <div class="scroll" tabindex="0" role="log" aria-live="off" aria-label="Requests">
      ${shown.length ? html`<ol>${shown.map((line) => html`<${Line} key=${line.key} line=${line} />`)}</ol>` : html`<p class="nothing">${kind ? "Nothing of this kind yet." : "Nothing yet. Text from the phone, and every request shows here."}</p>`}
    </div>
  </section>`;
}

function Line({ line: { at, direction, kind, path, status, ms, say, body } }) {
  const [isOpen, open] = useState(false);
  const isIn = direction === "in";
  return html`<li class=${now.value - new Date(at) < NEW_MS ? "is-new" : ""}>
    <time datetime=${at}>${clock.format(new Date(at))}</time>
    <span class=${direction}><${Icon} name=${kind === "event" ? "inbox" : isIn ? "arrow-right" : "arrow-left"} /><span class="unseen">${kind === "event" ? "in the bridge" : isIn ? "to the bridge" : "to the carrier"}</span></span>
    ${body.length ? html`<button class="path" aria-expanded=${isOpen} title="What it carried" onClick=${() => open(!isOpen)}>${path}</button>` : html`<span>${path}</span>`}
    <span class=${gradeOf(status)}>${status ?? (kind === "event" ? "" : "none")}</span>
    <span class="say" title=${say}>${say}</span>
    <span class="ms">${ms === null ? "" : `${ms} ms`}</span>
    ${isOpen && html`<dl class="body">${body.map(([name, value]) => html`<div><dt>${name}</dt><dd dir="auto">${value}</dd></div>`)}</dl>`}
  </li>`;
}

function gradeOf(status) {
  if (status === null || status >= 500 || status === 429) return "slow";
  return status >= 400 ? "bad" : "ok";
}
