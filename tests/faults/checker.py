"""What a run came to: every side's ledger against every other's, and the invariants of the database.

The words are Jepsen's. *Lost*: acknowledged, and never seen again. *Unexpected*: seen, and never tried. *Recovered*:
never acknowledged, and there all the same, which is allowed. Everything but that must be empty.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from faults.desktop_double import DesktopDouble
from faults.history import History, read_text_in, read_text_out
from faults.run_store import RunStore
from smsbridge.flows import lanes
from smsbridge.simulator.ledger import Sent

WORK = (lanes.SEND, lanes.SETTLE, lanes.DELIVER, lanes.FETCH, lanes.PREPARE)
"""The kinds of jobs that come to an end; the others come round for ever."""
_KINDS = ", ".join(f"'{kind}'" for kind in WORK)
_HARMLESS = frozenset({"delivery_uncertain", "delayed"})
"""Notices that may be followed by a good end."""
_FAILED = frozenset({"failed", "undelivered"})
_SHOWN = 5


WRONGS = (
    "lost",
    "doubled at the carrier",
    "doubled at the desktop",
    "unexpected",
    "out of order",
    "invented notices",
    "missing notices",
    "refused",
    "broken invariants",
)


@dataclass
class Verdict:
    """Counts, and under each name of a wrong the texts it happened to."""

    acknowledged_in: int = 0
    acknowledged_out: int = 0
    starts: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    """How often each fault struck."""
    recovered: int = 0
    told_again: int = 0
    """Events that reached the desktop again under the same id: allowed after a crash or a lost answer."""
    uncertain: int = 0
    """Texts left to the agent, each with its notice: nobody can know whether the carrier has them."""
    uncertain_though_taken: int = 0
    """Of these the carrier has, so that asking it could have told."""
    wrongs: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in WRONGS})

    @property
    def is_good(self) -> bool:
        return not any(self.wrongs.values())

    def __str__(self) -> str:
        left = f"{self.uncertain} (of these the carrier has {self.uncertain_though_taken})"
        again = f"recovered {self.recovered}, told again under the same id {self.told_again}"
        struck = ", ".join(f"{count} {name}" for name, count in sorted(self.struck.items())) or "none"
        lines = [
            f"faults: {struck}; {self.starts} starts",
            f"texts acknowledged: {self.acknowledged_in} in, {self.acknowledged_out} out",
            ", ".join(f"{name} {len(found)}" for name, found in self.wrongs.items()),
            f"allowed: {again}, left to the agent as uncertain {left}",
        ]
        for name, found in self.wrongs.items():
            lines += [f"  {name}: {each}" for each in found[:_SHOWN]]
        return "\n".join(lines)


def is_drained(store: RunStore) -> bool:
    """No work is left but what comes round for ever."""
    return not store.spooled() and not store.rows(f"SELECT id FROM jobs WHERE kind IN ({_KINDS}) LIMIT 1")


def judge(
    history: History,
    desktop: DesktopDouble,
    sent: Sequence[Sent],
    store: RunStore,
    *,
    every_try_left: bool = True,
) -> Verdict:
    """`every_try_left`: no fault of the run keeps an attempt from the carrier, or makes the carrier refuse it, other
    than one that leaves the text uncertain. Then tries and the carrier's ledger must agree to the last one."""
    verdict = Verdict(
        acknowledged_in=history.count_in, acknowledged_out=history.count_out, told_again=desktop.told_again
    )
    wrongs = verdict.wrongs
    wrongs["refused"] += history.refused
    _judge_desktop(history, desktop, verdict)
    _judge_carrier(history, sent, verdict)
    for text in _read_outbound(store, desktop, Counter(each.body for each in sent)):
        for name, what in text.wrongs(every_try_left=every_try_left):
            wrongs[name].append(what)
        verdict.recovered += text.text not in history.accepted_out
        if text.status == "uncertain":
            verdict.uncertain += 1
            verdict.uncertain_though_taken += bool(text.taken)
    stored = dict(store.rows("SELECT text, id FROM messages WHERE direction = 'outbound'"))
    wrongs["lost"] += [text for text, given in history.accepted_out.items() if stored.get(text) != given]
    wrongs["broken invariants"] += broken_invariants(store)
    return verdict


def _judge_desktop(history: History, desktop: DesktopDouble, verdict: Verdict) -> None:
    wrongs = verdict.wrongs
    wrongs["doubled at the desktop"] += desktop.doubled
    wrongs["out of order"] += desktop.went_back
    for text in desktop.received:
        named = read_text_in(text)
        if named is None or named[1] > history.tried_in[named[0]]:
            wrongs["unexpected"].append(f"at the desktop: {text}")
    for phone, acknowledged in history.acknowledged_in.items():
        told = desktop.order[phone]
        wrongs["lost"] += [f"in {phone} {number}" for number in sorted(acknowledged.difference(told))]
        verdict.recovered += len(set(told) - acknowledged)
        if told != sorted(told):
            wrongs["out of order"].append(f"at the desktop: {phone}")


def _judge_carrier(history: History, sent: Sequence[Sent], verdict: Verdict) -> None:
    """To one contact an agent's texts leave in the order in which that agent was told 202."""
    wrongs = verdict.wrongs
    seen: set[str] = set()
    last: dict[tuple[str, str], int] = {}
    for each in sent:
        if each.body in seen:
            wrongs["doubled at the carrier"].append(each.body)
        seen.add(each.body)
        named = read_text_out(each.body)
        if named is None or named[1] > history.tried_out[named[0]]:
            wrongs["unexpected"].append(f"at the carrier: {each.body}")
            continue
        agent, number = named
        if number < last.get((each.to, agent), 0):
            wrongs["out of order"].append(f"at the carrier: {each.body} after number {last[each.to, agent]}")
        last[each.to, agent] = max(number, last.get((each.to, agent), 0))


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundText:
    """One outbound message with what every side knows of it."""

    text: str
    status: str
    tries: int
    taken: int
    """How often the carrier took it."""
    notices: list[str]
    """The kinds of its notices, as they are kept."""
    heard: list[str]
    """And as the desktop was told of them."""

    def wrongs(self, *, every_try_left: bool) -> Iterator[tuple[str, str]]:
        about = f"{self.text} is {self.status}"
        failures = [kind for kind in self.notices if kind not in _HARMLESS]
        expected = {"uncertain": 1, "failed": 1, "undelivered": 1}.get(self.status, 0)
        raised = self.notices.count("delivery_uncertain") if self.status == "uncertain" else len(failures)
        if raised < expected:
            yield "missing notices", f"{about} and has the notices {self.notices}"
        if raised > expected or (failures and self.status not in _FAILED):
            yield "invented notices", f"{about} and has the notices {self.notices}"
        if sorted(self.notices) != sorted(self.heard):
            yield "missing notices", f"{about}, has {self.notices}, and the desktop heard of {self.heard}"
        if self.status in ("sent", "delivered") and not self.taken:
            yield "broken invariants", f"{about}, and the carrier never had it"
        if self.status in ("queued", "sending"):
            yield "lost", f"{about} for ever"
        # What the carrier took was tried; and of an uncertain one it may have seen nothing.
        least = max(self.taken, 1 if self.status == "uncertain" else 0)
        if self.tries < least or (every_try_left and self.tries != least):
            yield "broken invariants", f"{about}: tried {self.tries} times, taken {self.taken} times"


def _read_outbound(store: RunStore, desktop: DesktopDouble, taken: Counter[str]) -> Iterator[OutboundText]:
    notices: dict[str, list[str]] = defaultdict(list)
    for message_id, kind in store.rows("SELECT message_id, kind FROM notices WHERE message_id IS NOT NULL"):
        notices[message_id].append(kind)
    for message_id, text, status, tries in store.rows(
        "SELECT m.id, m.text, m.status, sum(p.tries) FROM messages AS m JOIN parts AS p ON p.message_id = m.id"
        " WHERE m.direction = 'outbound' GROUP BY m.id, m.text, m.status"
    ):
        yield OutboundText(
            text=text,
            status=status,
            tries=int(tries),
            taken=taken[text],
            notices=notices.get(message_id, []),
            heard=desktop.notices.get(message_id, []),
        )


def broken_invariants(store: RunStore) -> list[str]:
    """What must hold in the database once everything has drained, whatever happened before."""
    found = list(store.damage())
    for name, sql in _NOTHING_OF.items():
        found += [f"{name}: {', '.join(map(str, row))}" for row in store.rows(sql)]
    numbers: dict[str, list[int]] = defaultdict(list)
    for (text,) in store.rows(
        "SELECT m.text FROM transcript AS t JOIN messages AS m ON m.id = t.ref WHERE t.kind = 'message'"
        " AND m.direction = 'inbound' ORDER BY t.seq"
    ):
        named = read_text_in(text)
        if named is not None:
            numbers[named[0]].append(named[1])
    found += [f"transcript out of order: {phone}" for phone, told in numbers.items() if told != sorted(told)]
    return found


_NOTHING_OF = {
    "a part that is being sent, and no worker holds it": (
        "SELECT p.message_id, p.number FROM parts AS p WHERE p.status = 'sending' AND NOT EXISTS (SELECT 1"
        " FROM jobs AS j JOIN lanes AS l ON l.claimed_job = j.id WHERE j.ref = p.message_id AND j.kind = 'send')"
    ),
    "a message that is not in the transcript exactly once": (
        "SELECT m.id, count(t.seq) FROM messages AS m LEFT JOIN transcript AS t ON t.ref = m.id AND t.kind = 'message'"
        " GROUP BY m.id HAVING count(t.seq) <> 1"
    ),
    "a notice that is not in the transcript exactly once": (
        "SELECT n.id, count(t.seq) FROM notices AS n LEFT JOIN transcript AS t ON t.ref = n.id AND t.kind = 'notice'"
        " GROUP BY n.id HAVING count(t.seq) <> 1"
    ),
    "an inbound message without exactly one event": (
        "SELECT m.id, count(e.seq) FROM messages AS m LEFT JOIN events AS e ON e.message_id = m.id"
        " AND e.type = 'message.received' WHERE m.direction = 'inbound' GROUP BY m.id HAVING count(e.seq) <> 1"
    ),
    "one request and two messages": (
        "SELECT text, count(*) FROM messages WHERE direction = 'outbound' GROUP BY text HAVING count(*) > 1"
    ),
    "one text and two messages": (
        "SELECT text, count(*) FROM messages WHERE direction = 'inbound' GROUP BY text HAVING count(*) > 1"
    ),
    "an event twice": "SELECT id, count(*) FROM events GROUP BY id HAVING count(*) > 1",
    "a dead letter": "SELECT kind, ref, reason FROM dead_letters",
    "work left": f"SELECT kind, lane, attempt FROM jobs WHERE kind IN ({_KINDS})",
    "a lane without a job": (
        "SELECT l.lane FROM lanes AS l WHERE NOT EXISTS (SELECT 1 FROM jobs AS j WHERE j.lane = l.lane)"
    ),
}
