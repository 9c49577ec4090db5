// How it ended: disposition and note, kept as they are written; Done is for good.
import { html, Icon, signal, useEffect, useLayoutEffect, useRef, useState } from "../lib/html.js";
import { draftOf, dropDraft, keepDraft } from "../lib/drafts.js";
import { doing } from "../lib/keys.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";

const PAUSE_MS = 700;
/** Dispositions as chosen here and not yet kept, by interaction: they stay when the wrap-up moves from the foot of the panel into its tab. */
const chosen = signal(new Map());

export function WrapUp({ interaction, isWhole }) {
  const { dispositions } = state.rules.value;
  const picked = chosen.value.get(interaction.id); // undefined: as the bridge has it
  const disposition = picked ?? interaction.disposition ?? "";
  const unsaved = `note-${interaction.id}`; // what was typed and not yet kept: a reload, or another tab of the panel, finds it here
  const [written, setWritten] = useState(draftOf(unsaved).text || undefined);
  const note = written ?? interaction.note ?? "";
  const [saved, setSaved] = useState("");
  const [why, setWhy] = useState("");
  const field = useRef(null);
  const isDone = interaction.state === "done";
  const mayEdit = !isDone && (state.isMine(interaction) || state.supervises.value);

  /** {note, disposition}, as far as it was written here from the moment that it was: the rest may be a colleague's by now. */
  const unkept = useRef(mayEdit ? { note: written, disposition: picked } : {});
  const isAllKept = () => unkept.current.note === undefined && unkept.current.disposition === undefined;
  const keep = async () => {
    const what = unkept.current;
    if (isAllKept() || !state.session.value) return;
    unkept.current = {};
    const said = await acts.takeNote(interaction, what);
    if (isAllKept()) setSaved(said ? "Saved" : "Not saved"); // else there is more to keep by now
    if (!said) return void (unkept.current = { ...what, ...unkept.current });
    if (draftOf(unsaved).text === what.note) dropDraft(unsaved);
    // what the bridge has as it was written is the bridge's from here on
    if ((said.note ?? "") === what.note) setWritten((now) => (now === what.note ? undefined : now));
    if ((said.disposition ?? "") === what.disposition && chosen.value.get(interaction.id) === what.disposition) {
      chosen.value = new Map([...chosen.value].filter(([id]) => id !== interaction.id));
    }
  };
  useEffect(() => () => void keep(), []); // also of who goes on at once
  useEffect(() => {
    if (isAllKept()) return undefined;
    setSaved("…");
    const timer = setTimeout(keep, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [written, picked]);

  const write = (text) => {
    unkept.current = { ...unkept.current, note: text };
    keepDraft(unsaved, { text });
    setWritten(text);
  };
  const setDisposition = (name) => {
    unkept.current = { ...unkept.current, disposition: name };
    chosen.value = new Map([...chosen.value, [interaction.id, name]]);
  };
  const finish = () => {
    if (!mayEdit || interaction.state !== "ended") return false;
    if (dispositions.length && !disposition) return void setWhy("Choose how it ended first.");
    setWhy("");
    acts.markDone(interaction, disposition, note).then((said) => said && dropDraft(unsaved));
    return true;
  };
  const pick = (digit) => mayEdit && dispositions[digit - 1] !== undefined && (setDisposition(dispositions[digit - 1]), setWhy(""), true);
  useLayoutEffect(() => {
    const mine = { done: finish, disposition: pick, note: () => field.current?.focus() };
    Object.assign(doing, mine);
    return () => Object.keys(mine).forEach((name) => doing[name] === mine[name] && delete doing[name]);
  });
  if (isDone && !isWhole) {
    return html`<section class="wrap-up" aria-label="Wrap-up"><p class="saved"><${Icon} name="circle-check" />Done${interaction.disposition ? `: ${interaction.disposition}` : ""}</p></section>`;
  }
  const noteField = html`<label class="field"><span class="label">Note <span class="saved" role="status">${saved === "Saved" && html`<${Icon} name="check" />`}${saved}</span></span>
    <textarea class="box" rows=${isWhole ? 4 : 2} placeholder="Only colleagues see this" ref=${field} value=${note} disabled=${!mayEdit} onInput=${(event) => write(event.target.value)}></textarea></label>`;
  if (!isWhole) {
    return html`<section class="wrap-up" aria-label="Wrap-up">
      ${dispositions.length > 0
        ? html`<label class="field"><span class="label">Disposition</span><select value=${disposition} disabled=${!mayEdit} onChange=${(event) => setDisposition(event.target.value)}>
            <option value="">Choose…</option>${dispositions.map((each) => html`<option value=${each} selected=${each === disposition}>${each}</option>`)}</select></label>`
        : html`<label class="field"><span class="label">Disposition</span><input type="text" value=${disposition} disabled=${!mayEdit} maxlength="200" onInput=${(event) => setDisposition(event.target.value)} /></label>`}
      ${noteField}
      ${interaction.state === "ended" && mayEdit
        ? html`<div class="acts"><button class="button primary" onClick=${finish}>Mark as Done <kbd>⇧ D</kbd></button></div>`
        : html`<p class="saved">${mayEdit ? "Mark as Done comes once the interaction has ended." : "Only its agent and supervisors write here."}</p>`}
      ${why && html`<p class="problem" role="alert">${why}</p>`}
    </section>`;
  }
  return html`<section aria-label="Wrap-up"><h3>How did it end?</h3>
      ${dispositions.length > 0
        ? html`<fieldset class="dispositions" disabled=${!mayEdit}><legend class="unseen">Disposition</legend>
            ${dispositions.map((each, at) => html`<label key=${each}><input type="radio" name="disposition" checked=${each === disposition} onChange=${() => { setDisposition(each); setWhy(""); }} /> ${each} ${at < 9 && html`<kbd>${at + 1}</kbd>`}</label>`)}
          </fieldset>`
        : html`<label class="field"><span class="unseen">Disposition</span><input type="text" value=${disposition} disabled=${!mayEdit} maxlength="200" onInput=${(event) => setDisposition(event.target.value)} /></label>`}
    </section>
    <section aria-label="Note">${noteField}</section>
    <section aria-label="Finish">
      <div class="acts"><button class="button primary large wide" disabled=${!mayEdit} onClick=${finish}>Mark as Done <kbd>⇧ D</kbd></button></div>
      ${why ? html`<p class="problem" role="alert">${why}</p>` : html`<p class="saved">${mayEdit ? "After Done, find the contact to write again." : "Only its agent and supervisors write here."}</p>`}
    </section>`;
}
