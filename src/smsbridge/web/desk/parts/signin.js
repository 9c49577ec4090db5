// The door.
import { html, Icon, useRef, useState } from "../lib/html.js";
import { LineDown } from "../lib/api.js";
import { signIn } from "../lib/acts.js";
import { farewell } from "../lib/state.js";
import { toggleTheme } from "./bar.js";
import { Mark } from "./mark.js";

export function SignIn() {
  const [problem, setProblem] = useState("");
  const [capsLock, setCapsLock] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const name = useRef(null);
  const passcode = useRef(null);
  const enter = async (event) => {
    event.preventDefault();
    if (isAsking) return;
    setAsking(true);
    setProblem("");
    try {
      await signIn(name.current.value.trim(), passcode.current.value);
    } catch (error) {
      setProblem(error instanceof LineDown ? "The bridge does not answer just now. Try again in a moment." : error.message);
      passcode.current?.select();
    } finally {
      setAsking(false);
    }
  };
  const listen = (event) => setCapsLock(event.getModifierState?.("CapsLock") ?? false);
  return html`<div class="sign-in">
    <main class="door">
      <span class="mark"><${Mark} /><span>smsbridge</span></span>
      <div><h1>${greeting()}</h1><p class="lead">Sign in to the desk.</p></div>
      ${farewell.value && html`<p class="farewell" role="status">${farewell.value}</p>`}
      <form onSubmit=${enter}>
        <label class="field"><span class="label">Name</span>
          <input type="text" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus ref=${name} />
        </label>
        <label class=${`field${problem ? " is-wrong" : ""}`}><span class="label">Passcode</span>
          <input type="password" name="passcode" autocomplete="current-password" required ref=${passcode}
            aria-invalid=${problem ? "true" : undefined} aria-describedby=${problem ? "caps why" : "caps"}
            onKeyDown=${listen} onKeyUp=${listen} />
          <span class="hint" id="caps" role="status">${capsLock && "Caps Lock is on."}</span>
          ${problem && html`<span class="problem" id="why" role="alert"><${Icon} name="triangle-alert" /><span>${problem}</span></span>`}
        </label>
        <button class="button primary large wide">${isAsking ? "Signing in…" : "Sign in"}</button>
      </form>
      <p class="help">No passcode? Whoever runs this desk makes one with <code>smsbridge agents create</code>.</p>
    </main>
    <footer class="foot"><button class="link-quiet" onClick=${toggleTheme}>Light or dark</button></footer>
    <${Span} />
  </div>`;
}

function greeting() {
  const hour = new Date().getHours();
  return hour < 5 ? "Good night" : hour < 12 ? "Good morning" : hour < 18 ? "Good afternoon" : "Good evening";
}

/** A bridge with three texts on it, below everything. */
function Span() {
  const hangers = Array.from({ length: 30 }, (_, at) => {
    const x = 201 + at * 41.3;
    const share = (x - 160) / 1280;
    return [Math.round(x), Math.round(340 - 380 * 2 * share * (1 - share))];
  });
  return html`<svg class="span" viewBox="0 0 1600 420" preserveAspectRatio="xMidYMax slice" aria-hidden="true">
    <path d="M-200 340h2000" stroke-width="2" /><path d="M160 340Q800 -40 1440 340" stroke-width="2" />
    <g stroke-width="1">${hangers.map(([x, y]) => html`<path d=${`M${x} ${y}V340`} />`)}<path d="M-200 354h2000" /></g>
    <g class="lit"><circle cx="520" cy="328" r="4.5" /><circle cx="545" cy="328" r="4.5" /><circle cx="570" cy="328" r="4.5" /></g>
  </svg>`;
}
