// A row of tabs: arrow keys move, the tab in focus is the one that shows.
import { html } from "../lib/html.js";

export function Tabs({ label, tabs, value, onChange, classes = "" }) {
  const onKeyDown = (event) => {
    const at = tabs.findIndex(([name]) => name === value);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    onChange(tabs[(to + tabs.length) % tabs.length][0]);
    event.currentTarget.children[(to + tabs.length) % tabs.length].focus();
  };
  return html`<div class=${`tabs ${classes}`} role="tablist" aria-label=${label} onKeyDown=${onKeyDown}>
    ${tabs.map(([name, words, count]) => html`<button role="tab" aria-selected=${name === value} tabindex=${name === value ? 0 : -1}
      onClick=${() => onChange(name)}>${words}${count > 0 && html`${" "}<span class="count">${count}</span>`}</button>`)}
  </div>`;
}
