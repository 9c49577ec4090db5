// What must not be overlooked, in the flow above the sheet: the line is away, and what waits for it.
import { html, Icon } from "../lib/html.js";
import { plural } from "../lib/words.js";
import { unsent } from "../lib/unsent.js";
import * as state from "../lib/state.js";

export function Banner() {
  if (state.line.value === "live") return null;
  const waiting = unsent.value.filter((each) => each.state === "unsent").length;
  const what = state.line.value === "offline" ? "You are offline." : "Reconnecting.";
  if (!waiting && state.reloads.value === 0 && !state.interactions.value.size) return null;
  return html`<p class="banner" role="status">
    <${Icon} name="wifi-off" />
    <span>${what}${" "}${waiting
      ? `Write on: ${plural(waiting, "text is", "texts are")} kept here and go out once, when the line is back.`
      : "Write on: what you send is kept here and goes out once, when the line is back."}</span>
  </p>`;
}
