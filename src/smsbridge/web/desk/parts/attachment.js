// A file that goes out with the text: ready, on its way, or refused with the reason.
import { html, Icon } from "../lib/html.js";
import { size } from "../lib/words.js";

export function Attachment({ attachment, upload, onRemove }) {
  const name = attachment?.filename ?? upload.name;
  const says = attachment
    ? size(attachment.size_bytes)
    : upload.problem || `Uploading, ${Math.round(upload.progress * 100)} %`;
  return html`<span class=${`attachment${upload?.problem ? " is-refused" : ""}`}>
    <span class="tiny">${attachment?.thumbnail_url
      ? html`<img src=${attachment.thumbnail_url} alt="" />`
      : html`<${Icon} name=${upload?.problem ? "octagon-x" : "image"} />`}</span>
    <span class="name one-line">${name}</span><span class="size">${says}</span>
    <button type="button" class="icon-button small" aria-label=${`Remove ${name}`} onClick=${onRemove}><${Icon} name="x" /></button>
    ${upload && !upload.problem && html`<progress value=${Math.round(upload.progress * 100)} max="100" aria-label=${`Uploading ${name}`}></progress>`}
  </span>`;
}
