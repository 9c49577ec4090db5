// The simulator's stream: every exchange, and which phone has something new. One connection for all.
import * as phones from "./phones.js";
import * as simulator from "./simulator.js";
import * as traffic from "./traffic.js";

export function follow() {
  const source = new EventSource(`${simulator.url}/api/traffic/stream?after=0&phones=1`);
  source.onopen = () => {
    phones.loadAll().catch(() => {}); // the stream comes back when the simulator does, and then so does this
    traffic.loadFaults().catch(() => {});
  };
  source.onmessage = (event) => traffic.add(traffic.readExchange(JSON.parse(event.data)));
  source.addEventListener("phone", (event) => phones.load(JSON.parse(event.data).number));
}
