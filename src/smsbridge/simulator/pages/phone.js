// The phones alone.
import { html, render } from "/desk/assets/lib/html.js";
import { follow } from "./lib/stream.js";
import { view } from "./lib/view.js";
import { Phones } from "./parts/phones.js";

view.value = "phone";
follow();
render(html`<main class="phones-alone"><h1 class="unseen">Phone</h1><${Phones} /></main>`, document.getElementById("root"));
