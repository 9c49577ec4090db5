// What a text costs, counted as phones do: the twin of domain/text.py. Both are tested with tests/domain/segments.json.

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const EXTENSION = new Set("\f^{}\\[~]|€");
const inGsm7 = (character) => BASIC.has(character) || EXTENSION.has(character);

/** What GSM-7 has instead of typographic signs. The same table as `plain_quotes` has. */
const PLAIN = new Map();
for (const [characters, instead] of [
  ["‘’‚‛‹›′‵ʹʻʼʽˈˊˋ´`＇❛❜", "'"],
  ["“”„‟«»″‶ʺ〝〞〟＂❝❞", '"'],
  ["‐‑‒–—―−⁃﹘﹣－", "-"],
  ["•‣∙", "*"],
  ["⁄∕", "/"],
  ["…", "..."],
  ["‥", ".."],
  ["\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "],
  ["\u2028\u2029", "\n"],
  ["\u00ad\u200b\u2060\ufeff", ""],
]) {
  for (const character of characters) PLAIN.set(character, instead);
}

/** {count, encoding, units, unitsLeft, forcedBy}: `forcedBy` is the first character that GSM-7 does not have, or "". */
export function countSegments(text) {
  const characters = [...text];
  const forcedBy = characters.find((character) => !inGsm7(character)) ?? "";
  return forcedBy
    ? count(characters, "UCS-2", (character) => character.length, 70, 67, forcedBy)
    : count(characters, "GSM-7", (character) => (EXTENSION.has(character) ? 2 : 1), 160, 153, "");
}

function count(characters, encoding, sizeOf, single, several, forcedBy) {
  const sizes = characters.map(sizeOf);
  const units = sizes.reduce((sum, size) => sum + size, 0);
  if (units <= single) return { count: units ? 1 : 0, encoding, units, unitsLeft: single - units, forcedBy };
  let segments = 1;
  let used = 0;
  for (const size of sizes) {
    if (used + size > several) {
      segments += 1;
      used = 0;
    }
    used += size;
  }
  return { count: segments, encoding, units, unitsLeft: several - used, forcedBy };
}

/** The characters of a text that make it dear, each once, in order. */
export function culprits(text) {
  return [...new Set([...text].filter((character) => !inGsm7(character)))];
}

/** The text with plain quotes and dashes. Emoji and letters stay as they are. */
export function plain(text) {
  return [...text].map((character) => PLAIN.get(character) ?? character).join("");
}

/** The text in pieces, [piece, isCulprit]: for the mirror under the field that marks what is dear. */
export function markCulprits(text) {
  const pieces = [];
  for (const character of text) {
    const dear = !inGsm7(character);
    const last = pieces.at(-1);
    if (last && last[1] === dear) last[0] += character;
    else pieces.push([character, dear]);
  }
  return pieces;
}
