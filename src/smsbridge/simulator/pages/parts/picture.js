// A picture or a file on a phone's screen.
import { html, Icon, useState } from "/desk/assets/lib/html.js";
import { size } from "/desk/assets/lib/words.js";

const SHOWN = /^image\/(jpeg|png|gif|webp)$/;
export const NOT_TO_BE_OPENED = "bomb.png"; // 400 megapixels: a browser would choke on it

export function Picture({ media, isMine }) {
  const [isBroken, breakIt] = useState(!SHOWN.test(media.content_type) || media.name === NOT_TO_BE_OPENED || !media.size_bytes);
  const name = media.name || "a file";
  if (isBroken) {
    return html`<span class="file"><${Icon} name=${media.content_type.startsWith("image/") ? "image-off" : "file-text"} />
      <span class="one-line">${name}</span><span class="size">${size(media.size_bytes)}</span></span>`;
  }
  return html`<a class="thumb" href=${media.url} target="_blank" rel="noopener noreferrer" title=${`${name}, open full size`}>
    <img src=${media.url} alt=${isMine ? `Picture sent: ${name}` : "Picture from the agent"} onError=${() => breakIt(true)} />
  </a>`;
}
