// Pictures and files of a text, in boxes of one size, so that nothing jumps when a picture comes.
import { html, Icon, useState } from "../lib/html.js";
import { size } from "../lib/words.js";
import * as state from "../lib/state.js";
import { Lightbox } from "./lightbox.js";

const PROBLEMS = { missing: "missing", too_large: "too large", type_not_taken: "not a type we take", unreadable: "damaged" };

export function Attachments({ attachments, isOut }) {
  const [opened, setOpened] = useState(-1);
  const pictures = attachments.filter((each) => each.state === "stored" && each.thumbnail_url);
  const maySave = isOut || state.rules.value.save_attachments;
  return html`<div class="attachments">
    ${attachments.map((each) => html`<${Attachment} key=${each.id} attachment=${each} maySave=${maySave && !isOut} onOpen=${() => setOpened(pictures.indexOf(each))} />`)}
    ${opened >= 0 && html`<${Lightbox} pictures=${pictures} first=${opened} maySave=${maySave} onClose=${() => setOpened(-1)} />`}
  </div>`;
}

function Attachment({ attachment, maySave, onOpen }) {
  const { filename, content_type, size_bytes, url, thumbnail_url, problem } = attachment;
  const name = filename || (content_type?.startsWith("image/") ? "Picture" : "File");
  if (attachment.state === "pending") return html`<span class="thumb is-coming"><${Icon} name="image" big /><span>Picture is coming</span></span>`;
  if (attachment.state === "rejected") {
    return html`<span class="thumb is-broken"><${Icon} name="image-off" big /><span>${name}</span>
      <span class="size">${[size_bytes && size(size_bytes), PROBLEMS[problem] ?? problem].filter(Boolean).join(", ")}</span></span>`;
  }
  if (thumbnail_url) {
    return html`<span class="thumb">
      <button class="open" aria-label=${`${name}, open full size`} title=${name} onClick=${onOpen}><img src=${thumbnail_url} alt="" width="152" height="114" loading="lazy" decoding="async" /></button>
      ${maySave && html`<a class="save" href=${url} download=${name} aria-label=${`Save ${name}`}><${Icon} name="download" />Save</a>`}
    </span>`;
  }
  return html`<span class="file"><${Icon} name="file-text" /><span class="one-line">${name}</span>
    <span class="size">${[content_type, size_bytes && size(size_bytes)].filter(Boolean).join(", ")}</span>
    ${maySave && html`<a class="icon-button" href=${url} download=${name} aria-label=${`Save ${name}`}><${Icon} name="download" /></a>`}
  </span>`;
}
