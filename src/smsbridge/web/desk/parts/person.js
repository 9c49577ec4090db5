// A contact's name as it stands anywhere: any script and direction, or the number, always left to right.
import { html } from "../lib/html.js";
import { number } from "../lib/words.js";

export const Person = ({ contact }) =>
  contact?.name
    ? html`<bdi>${contact.name}</bdi>`
    : html`<span class="number">${number(contact?.number ?? "")}</span>`;
