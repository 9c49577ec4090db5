// The keyboard, the settings of this browser, and the way out.
import { html, Icon } from "../lib/html.js";
import { agentName } from "../lib/words.js";
import { signOut } from "../lib/acts.js";
import * as state from "../lib/state.js";
import { Setting, toggleTheme } from "./bar.js";
import { Dialog } from "./dialog.js";

const KEYS = [
  ["a", "accept the topmost offer"],
  ["y", "Ready, Not ready"],
  ["j|k|Enter", "next, previous in the list; open"],
  ["g q|g m|g d|g c", "queue, mine, done, contacts"],
  ["r", "to the field"],
  ["Ctrl Enter", "send"],
  ["/", "standard responses, at the start of the field"],
  ["Ctrl E", "emoji"],
  ["Ctrl F", "search in the transcript"],
  ["Ctrl K", "search everything"],
  ["c", "create an SMS interaction"],
  ["e", "end"],
  ["n|1 … 9", "note, disposition"],
  ["Shift D", "mark as Done"],
  ["Esc", "one step back, never losing words"],
  ["?", "this help"],
];

export function Help() {
  const { agent, role } = state.session.value;
  const leave = () => {
    state.dialog.value = null;
    signOut();
  };
  return html`<${Dialog} title="Help">
    <p>Signed in as <strong>${agentName(agent)}</strong>, ${role}. <button class="link" onClick=${leave}>Sign out</button></p>
    <dl class="facts keys">${KEYS.map(([keys, does]) => html`<dt>${keys.split("|").map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${does}</dd>`)}</dl>
    <div class="settings">
      <${Setting} name="letters" words="Single letters act outside of fields" />
      <${Setting} name="enterSends" words="Enter sends; off: Shift Enter sends" />
      <${Setting} name="sound" words="Sound" />
      <button class="button small" onClick=${toggleTheme}><${Icon} name="sun-moon" />Light or dark</button>
    </div>
  <//>`;
}
