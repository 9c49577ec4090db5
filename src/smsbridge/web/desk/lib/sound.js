// One soft sound for an offer, a shorter one for an answer; at most one in two seconds, and none that is not also seen.
import { settings } from "./state.js";

const EVERY_MS = 2_000;
const TONES = { offer: [[660, 0, 0.14], [880, 0.12, 0.22]], answer: [[740, 0, 0.12]] };

let context = null;
let playedAt = -EVERY_MS;

export function chime(kind) {
  if (!settings.value.sound || performance.now() - playedAt < EVERY_MS) return;
  if (!navigator.userActivation?.hasBeenActive) return; // browsers allow no sound before the first press
  playedAt = performance.now();
  context ??= new AudioContext();
  for (const [hertz, begins, lasts] of TONES[kind]) {
    const [tone, loudness] = [context.createOscillator(), context.createGain()];
    const start = context.currentTime + begins;
    tone.frequency.value = hertz;
    loudness.gain.setValueAtTime(0, start);
    loudness.gain.linearRampToValueAtTime(0.08, start + 0.02);
    loudness.gain.exponentialRampToValueAtTime(0.0001, start + lasts);
    tone.connect(loudness).connect(context.destination);
    tone.start(start);
    tone.stop(start + lasts);
  }
}
