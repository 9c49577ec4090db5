"""What happens on a shared database: telling the other daemons of a commit, and hearing of theirs.

After a commit its queues are told to the others by NOTIFY: afterwards and not within, because a transaction that
notifies takes a lock on the whole server to commit. Whoever hears of it wakes its workers. Where a NOTIFY is not heard
(PgBouncer hands out connections by transaction) the database is asked instead, four times a second.

The event log is told of once it is settled: nothing can be committed before the newest event any more.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Collection
from typing import Final

import psycopg

from smsbridge.contracts.store import Commit
from smsbridge.store.queries import load_queries

CHANNEL: Final = "smsbridge"
POLL_S: Final = 0.25
SAFETY_POLL_S: Final = 5.0
"""How often is asked although notifications are heard: one may get lost with its connection."""
_SETTLING_S: Final = 0.005
_RECONNECT_S: Final = 0.5
_HELLO_S: Final = 3.0
_ALL: Final = "*"


class News:
    """Two threads: one tells and asks, one listens. Made by the store, and ended by it."""

    def __init__(
        self,
        *,
        connect: Callable[[], psycopg.Connection],
        daemon: str,
        hear: Callable[[Commit], object],
        look_after: Callable[[], None],
    ) -> None:
        """`look_after` is called four times a second: the store's own chores."""
        self._connect = connect
        self._daemon = daemon
        self._hear = hear
        self._look_after = look_after
        self._queries = load_queries("postgres")
        self._changed = threading.Condition()
        self._queues: set[str] = set()
        self._has_events = False
        self._must_look = False
        self._is_stopping = False
        self._told_seq = 0
        self._telling: psycopg.Connection | None = None
        self._listening: psycopg.Connection | None = None
        self._threads = [
            threading.Thread(target=self._tell_and_ask, name="store-tell", daemon=True),
            threading.Thread(target=self._listen, name="store-listen", daemon=True),
        ]
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
        if self._listening is not None:
            shut(self._listening)
        for thread in self._threads:
            thread.join()

    def tell(self, queues: Collection[str], *, has_events: bool) -> None:
        """Called after a commit, from the thread that made it."""
        with self._changed:
            self._queues.update(queues)
            self._has_events = self._has_events or has_events
            self._changed.notify_all()

    # --- the thread that tells

    def _tell_and_ask(self) -> None:
        asked_at = 0.0
        pause_s = POLL_S
        while True:
            queues, has_events, must_look = self._wait(pause_s)
            if self._is_stopping:
                break
            self._look_after()
            now = time.monotonic()
            every_s = SAFETY_POLL_S if self.is_listening else POLL_S
            is_time = now - asked_at >= every_s
            pause_s = POLL_S * random.uniform(0.8, 1.2)
            try:
                if queues or has_events:
                    self._notify(queues)
                if is_time:
                    asked_at = now
                    self._ask_for_work()
                if (has_events or must_look or is_time) and not self._ask_for_events():
                    pause_s = _SETTLING_S
                    self._look_again()
            except psycopg.Error:
                self._hang_up()
                self._put_back(queues, has_events=has_events)
                pause_s = _RECONNECT_S
                time.sleep(0.05)
        self._hang_up()

    def _wait(self, pause_s: float) -> tuple[set[str], bool, bool]:
        with self._changed:
            if not (self._queues or self._has_events or self._is_stopping):
                self._changed.wait(pause_s)
            found = self._queues, self._has_events, self._must_look
            self._queues, self._has_events, self._must_look = set(), False, False
            return found

    def _look_again(self) -> None:
        with self._changed:
            self._must_look = True

    def _put_back(self, queues: set[str], *, has_events: bool) -> None:
        with self._changed:
            self._queues |= queues
            self._must_look = self._must_look or has_events
            # not notified: the wait would end at once, again and again, while the database is away

    def _notify(self, queues: Collection[str]) -> None:
        payload = f"{self._daemon} {','.join(sorted(queues))}"
        if len(payload) > 7_900:  # the server takes 8,000 bytes
            payload = f"{self._daemon} {_ALL}"
        self._teller().execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))

    def _ask_for_work(self) -> None:
        rows = self._teller().execute(self._queries["due_queues"].replace(":now_ms", "%s"), (_now_ms(),)).fetchall()
        if rows:
            self._hear(Commit(queues=frozenset(row[0] for row in rows)))

    def _ask_for_events(self) -> bool:
        """Whether all of the log that can be seen is settled."""
        row = self._teller().execute(self._queries["newest_events"]).fetchone()
        settled, newest = row or (0, 0)
        if settled > self._told_seq:
            self._told_seq = settled
            self._hear(Commit(queues=frozenset(), last_event_seq=settled))
        return bool(settled >= newest)

    def _teller(self) -> psycopg.Connection:
        if self._telling is None:
            self._telling = self._connect()
            version = self._telling.info.server_version
            self.engine = f"postgresql {version // 10_000}.{version % 10_000}"
        return self._telling

    def _hang_up(self) -> None:
        if self._telling is not None:
            with contextlib.suppress(psycopg.Error):
                self._telling.close()
            self._telling = None

    # --- the thread that listens

    def _listen(self) -> None:
        while not self._is_stopping:
            try:
                with self._connect() as connection:
                    self._listening = connection
                    self._listen_on(connection)
            except (psycopg.Error, OSError):
                pass
            self._listening = None
            self.is_listening = False
            with self._changed:
                if not self._is_stopping:
                    self._changed.wait(_RECONNECT_S)

    def _listen_on(self, connection: psycopg.Connection) -> None:
        """Returns where notifications do not get through: then it is tried again from time to time."""
        connection.execute(f"LISTEN {CHANNEL}")
        with self._connect() as other:
            other.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{self._daemon} hello"))
        for note in connection.notifies(timeout=_HELLO_S):
            self._take(note.payload)
            if self.is_listening:
                break
        if not self.is_listening:
            self._rest()
            return
        self._look_at_all()
        while not self._is_stopping:
            for note in connection.notifies(timeout=60.0):
                self._take(note.payload)

    def _take(self, payload: str) -> None:
        daemon, _, words = payload.partition(" ")
        if daemon == self._daemon:
            self.is_listening = True
            return
        if words == _ALL:
            self._look_at_all()
            return
        self._hear(Commit(queues=frozenset(filter(None, words.split(",")))))
        with self._changed:
            self._must_look = True
            self._changed.notify_all()

    def _look_at_all(self) -> None:
        with self._changed:
            self._has_events = True
            self._changed.notify_all()

    def _rest(self) -> None:
        until = time.monotonic() + 60.0
        with self._changed:
            while not self._is_stopping and time.monotonic() < until:
                self._changed.wait(until - time.monotonic())


def shut(connection: psycopg.Connection) -> None:
    """Ends the conversation from outside of the thread that waits in it, which gets psycopg.OperationalError."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
