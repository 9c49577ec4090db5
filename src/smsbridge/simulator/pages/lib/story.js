// How far the newcomer has come, told by the bridge's own events from the first one on: a reload forgets nothing.
import { computed, html, signal } from "/desk/assets/lib/html.js";
import * as traffic from "./traffic.js";

const done = signal(new Set());
const accepted = new Set();

export const steps = computed(() => {
  const list = STEPS.map((step) => ({ ...step, isDone: done.value.has(step.name) }));
  const now = list.find((step) => !step.isDone);
  return list.map((step) => ({ ...step, isNow: step === now }));
});

const STEPS = [
  { name: "ready", say: html`Press <strong>Ready</strong> on the desk`, hint: "Texts reach an agent only then." },
  { name: "answered", say: "Text from the phone, accept, answer", hint: "Watch the ticks: queued, sent, delivered." },
  { name: "photo", say: "Send a photo", hint: "The camera of the phone has good ones and broken ones." },
  { name: "landline", say: "Be a landline", hint: "Choose it below, answer once more, read the notice." },
  { name: "real", say: "Connect a real number", href: "/demo/connect" },
];

const HEARD = {
  "agent.status": (data) => data.ready && tick("ready"),
  "interaction.updated": (data) => data.state === "active" && data.agent && accepted.add(data.id),
  "message.received": notePhoto,
  "message.updated": notePhoto,
  "message.status": (data) => {
    if (data.direction === "outbound" && data.status === "delivered" && accepted.has(data.interaction_id)) tick("answered");
  },
  "notice.raised": (data, at, id) => {
    if (data.kind === "not_sms_capable") tick("landline");
    tell(id, at, "notice.raised", `the agent is told: ${data.text}`);
  },
  "interaction.opened": (data, at, id) => tell(id, at, "interaction.opened", "a new interaction waits on the desk"),
};

export function follow() {
  const source = new EventSource(`/v1/events?last_event_id=0&types=${Object.keys(HEARD).join(",")}`);
  for (const [type, work] of Object.entries(HEARD)) {
    source.addEventListener(type, (event) => {
      const { data, timestamp } = JSON.parse(event.data);
      work(data, timestamp, event.lastEventId);
    });
  }
}

function notePhoto({ direction, attachments }) {
  if (direction === "inbound" && attachments.some(({ state, thumbnail_url }) => state === "stored" && thumbnail_url)) tick("photo");
}

function tick(name) {
  if (!done.value.has(name)) done.value = new Set([...done.value, name]);
}

function tell(id, at, type, say) {
  traffic.add({ key: `event ${id}`, at, direction: "in", kind: "event", path: type, status: null, ms: null, say, body: [] });
}
