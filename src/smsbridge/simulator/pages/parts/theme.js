// Light or dark. The desk keeps the choice under the same name.
import { html, Icon } from "/desk/assets/lib/html.js";

export function ThemeButton() {
  return html`<button class="icon-button" aria-label="Light or dark" title="Light or dark" onClick=${change}><${Icon} name="sun-moon" /></button>`;
}

function change() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("smsbridge.theme", root.dataset.theme);
}
