// The desk, in a window of its own.
import { html, render } from "./lib/html.js";
import { App } from "./parts/app.js";

render(html`<${App} />`, document.getElementById("root"));
