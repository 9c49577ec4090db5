// Phones, desk, traffic and guide on one page.
import { html, render } from "/desk/assets/lib/html.js";
import { Demo } from "./parts/demo.js";

render(html`<${Demo} />`, document.getElementById("root"));
