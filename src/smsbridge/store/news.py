"""What happens on a shared database: telling the other daemons of a commit, and hearing of theirs.

After a commit its queues are told to the others by NOTIFY: afterwards and not within, because a transaction that
notifies takes a lock on the whole server to commit. Whoever hears of it wakes its workers. Where no NOTIFY can be heard
(PgBouncer hands out connections by transaction) the database is asked instead, four times a second.

The event log is told of once it is settled: nothing can be committed before the newest event any more. Of that the
server's own snapshots tell, but for transactions of somebody else's in the same cluster, which may stay open for hours.
Then the `horizon` is found among our own: first the number that the next transaction would get, then which of ours are
still going on below it. Who comes later is above it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection
from typing import Final

import psycopg

from smsbridge.contracts.store import Commit, StoreUnavailable
from smsbridge.store.line import Line
from smsbridge.store.queries import load_postgres_queries

CHANNEL: Final = "smsbridge"
POLL_S: Final = 0.25
SAFETY_POLL_S: Final = 5.0
"""How often is asked although notifications are heard: one may get lost with its connection."""
EVENTS_TO_A_TRANSACTION: Final = 1024
_SETTLING_S: Final = 0.005
_LONGEST_SETTLING_S: Final = 0.1
_HELD_UP_S: Final = 0.1
"""After this long without settling it is looked who it is that holds the log back."""
_LONGEST_ANSWER_S: Final = 8.0
_RECONNECT_S: Final = 0.5
_HELLO_S: Final = 3.0
_TRY_AGAIN_S: Final = 60.0
_ALL: Final = "*"


class News:
    """Two threads: one tells and asks, one listens. Made by the store, and ended by it."""

    def __init__(
        self, url: str, *, daemon: str, hear: Callable[[Commit], object], give_up: Callable[[], object]
    ) -> None:
        """`give_up` is called when a thread ends by a bug: nobody would be woken any more, and nobody would notice."""
        self._daemon = daemon
        self._hear = hear
        self._give_up = give_up
        self._queries = load_postgres_queries()
        self._telling = Line(url, longest_s=_LONGEST_ANSWER_S)
        self._listening = Line(url, longest_s=_LONGEST_ANSWER_S)
        self.lines = {self._telling, self._listening}
        """For whoever cuts off what hangs."""
        self._changed = threading.Condition()
        self._queues: set[str] = set()
        self._has_events = False
        self._ask_at = 0.0
        self._look_at = 0.0
        self._is_stopping = False
        self._told_seq = 0
        self._unsettled_since = 0.0
        self._threads = [
            threading.Thread(target=self._run, args=(each,), name=name, daemon=True)
            for name, each in (("store-tell", self._tell_and_ask), ("store-listen", self._listen))
        ]
        self.horizon = 0
        """Every event below it can be seen."""
        self.is_listening = False
        """Whether notifications get through."""
        self.engine = "postgresql"

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        for line in self.lines:
            line.cut()
        for thread in self._threads:
            if thread.ident is not None:  # it was started
                thread.join()

    def tell(self, queues: Collection[str], *, has_events: bool) -> None:
        """Called after a commit, from the thread that made it."""
        with self._changed:
            self._queues.update(queues)
            self._has_events = self._has_events or has_events
            self._changed.notify_all()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException:
            self._give_up()
            raise

    # --- the thread that tells

    def _tell_and_ask(self) -> None:
        while True:
            queues, has_events = self._wait()
            if self._is_stopping:
                break
            try:
                if queues or has_events:
                    self._notify(queues)
                is_time = time.monotonic() >= self._ask_at
                if is_time:
                    self._ask_for_work()
                if has_events or is_time or time.monotonic() >= self._look_at:
                    self._look_at_events()
            except (psycopg.Error, StoreUnavailable):
                self._telling.hang_up()
                self._pause(_RECONNECT_S)
                self._look_at_all()  # what was not told, the others find when they look by themselves
        self._telling.hang_up()

    def _wait(self) -> tuple[set[str], bool]:
        with self._changed:
            while not (self._queues or self._has_events or self._is_stopping):
                left_s = min(self._ask_at, self._look_at) - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            found = self._queues, self._has_events
            self._queues, self._has_events = set(), False
            return found

    def _notify(self, queues: Collection[str]) -> None:
        payload = f"{self._daemon} {','.join(sorted(queues))}"
        if len(payload) > 7_900:  # the server takes 8,000 bytes
            payload = f"{self._daemon} {_ALL}"
        self._telling.rows("SELECT pg_notify(%(channel)s, %(payload)s)", {"channel": CHANNEL, "payload": payload})

    def _ask_for_work(self) -> None:
        every_s = SAFETY_POLL_S if self.is_listening else POLL_S
        self._ask_at = time.monotonic() + every_s * random.uniform(0.8, 1.2)
        rows = self._telling.rows(self._queries["due_queues"], {"now_ms": time.time_ns() // 1_000_000})
        version = self._telling.connection.info.server_version
        self.engine = f"postgresql {version // 10_000}.{version % 10_000}"
        if rows:
            self._hear(Commit(queues=frozenset(row[0] for row in rows)))

    def _look_at_events(self) -> None:
        self._look_at = float("inf")
        now = time.monotonic()
        if self._unsettled_since and now - self._unsettled_since > _HELD_UP_S:
            self._find_horizon()
        [(settled, newest)] = self._telling.rows(self._queries["newest_events"], {"horizon": self.horizon})
        if settled > self._told_seq:
            self._told_seq = settled
            self._hear(Commit(queues=frozenset(), last_event_seq=settled))
        if settled >= newest:
            self._unsettled_since = 0.0
            return
        self._unsettled_since = self._unsettled_since or now
        with self._changed:
            self._look_at = now + min(max(_SETTLING_S, now - self._unsettled_since), _LONGEST_SETTLING_S)

    def _find_horizon(self) -> None:
        [(next_xid, base)] = self._telling.rows(self._queries["next_transaction"])
        ours = self._telling.rows(self._queries["our_transactions"])
        oldest = min([next_xid, *(_whole(row[0], next_xid) for row in ours)])
        self.horizon = max(self.horizon, (oldest + base) * EVENTS_TO_A_TRANSACTION)

    # --- the thread that listens

    def _listen(self) -> None:
        while not self._is_stopping:
            wait_s = _RECONNECT_S
            try:
                if not self._listen_on(self._listening):
                    wait_s = _TRY_AGAIN_S
            except (psycopg.Error, StoreUnavailable):
                pass
            self.is_listening = False
            self._listening.hang_up()
            self._look_at_all()
            self._pause(wait_s)

    def _listen_on(self, line: Line) -> bool:
        """Whether notifications got through, once they do so no more. Raises psycopg.Error."""
        [(pid,)] = line.rows("SELECT pg_backend_pid()")
        if pid != line.connection.info.backend_pid:
            return False  # somebody stands between us and the server, and gives each transaction another connection
        line.rows(f"LISTEN {CHANNEL}")
        line.rows(
            "SELECT pg_notify(%(channel)s, %(payload)s)", {"channel": CHANNEL, "payload": f"{self._daemon} hello"}
        )
        for note in line.connection.notifies(timeout=_HELLO_S):
            self._take(note.payload)
            if self.is_listening:
                break
        if not self.is_listening:
            return False
        self._look_at_all()  # what was told before we listened
        while not self._is_stopping:
            for note in line.connection.notifies(timeout=60.0):
                self._take(note.payload)
        return True

    def _take(self, payload: str) -> None:
        daemon, _, told = payload.partition(" ")
        if daemon == self._daemon:
            self.is_listening = True
            return
        if told == _ALL:
            self._look_at_all()
            return
        if told:
            self._hear(Commit(queues=frozenset(told.split(","))))
        with self._changed:
            self._look_at = 0.0
            self._changed.notify_all()

    def _look_at_all(self) -> None:
        with self._changed:
            self._ask_at = 0.0
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self._changed:
            while not self._is_stopping and (left_s := until - time.monotonic()) > 0:
                self._changed.wait(left_s)


def _whole(lower_half: int, next_xid: int) -> int:
    """The whole number of a transaction of which the server's list of locks shows the lower 32 bits."""
    whole = (next_xid & ~0xFFFFFFFF) | lower_half
    return whole if whole <= next_xid else whole - (1 << 32)
