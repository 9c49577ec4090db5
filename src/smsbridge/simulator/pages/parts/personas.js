// Who the phone is: what the carrier says of it, at once or only later.
import { html, Icon } from "/desk/assets/lib/html.js";
import { become, personas, phone } from "../lib/phones.js";

/** The first ones to try, in this order. The others are there for those who want to know. */
const FIRST = ["mobile", "landline", "switched_off", "blocked", "opted_out", "wrong_sender", "slow", "flaky"];
const ICONS = {
  mobile: "smartphone", landline: "phone-off", landline_late: "phone-off", switched_off: "zap", unreachable: "wifi-off",
  unknown_handset: "circle-question-mark", blocked: "ban", filtered: "ban", opted_out: "octagon-x", invalid: "hash", wrong_sender: "hash",
  unregistered_sender: "flag", expired: "clock-3", slow: "hourglass", silent: "circle-dashed", flaky: "activity", rate_limited: "hourglass",
  unknown_error: "triangle-alert", no_mms: "image-off",
};

export function Personas() {
  const { label, persona } = phone.value;
  const first = FIRST.map((name) => personas.value.find((each) => each.name === name)).filter(Boolean);
  const others = personas.value.filter((each) => !FIRST.includes(each.name));
  const chosen = personas.value.find((each) => each.name === persona);
  return html`<section class="card">
    <h2 id="persona">${label} is</h2>
    <div role="radiogroup" aria-labelledby="persona" aria-describedby="persona-says">
      <div class="personas">${first.map(Choice)}</div>
      <details class="more" open=${others.some((each) => each === chosen)}>
        <summary>More</summary>
        <div class="personas">${others.map(Choice)}</div>
      </details>
    </div>
    <p class="says" id="persona-says">${chosen?.description}</p>
  </section>`;
}

function Choice({ name, title, description }) {
  const { number, persona } = phone.value;
  return html`<label key=${name} title=${description}>
    <input type="radio" name="persona" value=${name} checked=${name === persona} onChange=${() => become(number, name)} />
    <${Icon} name=${ICONS[name] ?? "smartphone"} />${title}
  </label>`;
}
