// Five things to try. They tick themselves off.
import { html, Icon } from "/desk/assets/lib/html.js";
import { steps } from "../lib/story.js";

export function Checklist() {
  const done = steps.value.filter((step) => step.isDone).length;
  return html`<section class="card">
    <h2>Try this <span class="end" role="status">${done} of ${steps.value.length}</span></h2>
    <ol class="checklist">${steps.value.map((step) => html`<${Step} key=${step.name} step=${step} />`)}</ol>
  </section>`;
}

function Step({ step: { say, hint, href, isDone, isNow } }) {
  return html`<li class=${isDone ? "is-done" : isNow ? "is-now" : ""} aria-current=${isNow ? "step" : undefined}>
    <span class="tick"><${Icon} name="check" /></span>
    <span>${href ? html`<a class="link" href=${href}>${say}</a>` : say}${isDone && html`<span class="unseen">, done</span>`}${isNow && hint && html`<small>${hint}</small>`}</span>
  </li>`;
}
