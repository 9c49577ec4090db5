// The emoji picker: a web component of others in a frame of ours, loaded when it is first opened.
import { html, Icon, useEffect, useRef } from "../lib/html.js";
import { LineDown } from "../lib/api.js";
import * as acts from "../lib/acts.js";

const loadPicker = () =>
  import("../vendor/emoji-picker.js").then(
    ({ default: Picker }) => Picker,
    () => {
      throw new LineDown();
    },
  );

export function Emoji({ onChoose, isDear }) {
  const frame = useRef(null);
  const choose = useRef(onChoose);
  choose.current = onChoose;
  useEffect(() => {
    let picker = null;
    let isOver = false;
    acts.attempt(loadPicker).then((Picker) => {
      if (!Picker || isOver) return;
      picker = new Picker({ dataSource: "/desk/assets/vendor/emoji-data.en.json", locale: "en" });
      picker.addEventListener("emoji-click", (event) => choose.current(event.detail.unicode));
      const theme = document.documentElement.dataset.theme;
      if (theme) picker.classList.add(theme);
      frame.current?.append(picker);
      requestAnimationFrame(() => picker.shadowRoot?.querySelector("input")?.focus());
    });
    return () => {
      isOver = true;
      picker?.remove();
    };
  }, []);
  return html`<div class="emoji" role="dialog" aria-label="Emoji">
    <div ref=${frame}></div>
    ${isDear && html`<p class="foot"><${Icon} name="triangle-alert" /><span>An emoji makes a segment 70 long instead of 160.</span></p>`}
  </div>`;
}
