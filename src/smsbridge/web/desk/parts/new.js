// "Create SMS interaction", to any number: what is known of the number is said before anything is sent.
import { html, Icon, useRef, useState } from "../lib/html.js";
import { LineDown, Problem } from "../lib/api.js";
import { createInteraction } from "../lib/acts.js";
import { number } from "../lib/words.js";
import * as state from "../lib/state.js";
import { Dialog } from "./dialog.js";

export function NewInteraction() {
  const [problem, setProblem] = useState(null);
  const [isAsking, setAsking] = useState(false);
  const to = useRef(null);
  const from = useRef(null);
  const senders = state.senders.value;
  const create = async (event, force = false) => {
    event.preventDefault();
    setAsking(true);
    setProblem(null);
    try {
      await createInteraction(to.current.value.trim(), { from: from.current?.value, force });
      if (state.dialog.value === "new") state.dialog.value = null;
    } catch (error) {
      if (!(error instanceof Problem || error instanceof LineDown)) throw error;
      setProblem(error);
    } finally {
      setAsking(false);
    }
  };
  return html`<${Dialog} title="Create SMS interaction">
    <form class="stack" onSubmit=${create}>
      <label class=${`field${problem ? " is-wrong" : ""}`}><span class="label">Number</span>
        <input type="tel" autofocus required ref=${to} placeholder="+44 7700 900123" aria-invalid=${problem ? "true" : undefined} aria-describedby="new-number" />
        ${problem
          ? html`<span class="problem" id="new-number" role="alert"><${Icon} name="triangle-alert" /><span>${problem.message}</span></span>`
          : html`<span class="hint" id="new-number">With the country code.</span>`}
      </label>
      ${senders.length > 1 && html`<label class="field"><span class="label">From</span>
        <select ref=${from}><option value="">The number this contact last spoke with</option>
          ${senders.map((each) => html`<option value=${each.number}>${number(each.number)}${each.name ? `, ${each.name}` : ""}</option>`)}
        </select></label>`}
      <div class="acts">
        ${problem?.overridable && html`<button type="button" class="button" onClick=${(event) => create(event, true)}>Create it all the same</button>`}
        <button class="button primary" disabled=${isAsking}>Create interaction</button>
      </div>
    </form>
  <//>`;
}
