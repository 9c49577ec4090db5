"""A proxy before a PostgreSQL server, in threads: the store opens its connections while the event loop waits for it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Final, Literal, Self

_COMMIT: Final = b"COMMIT\0"
Mode = Literal["pass", "swallow", "lose commits", "lose answers to commits"]


class PostgresProxy:
    """`mode` holds for what comes from now on. A connection that was cut by it is cut at both ends."""

    def __init__(self, port: int) -> None:
        self._upstream = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.mode: Mode = "pass"
        self.cuts = 0
        self._sockets: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in tuple(self._sockets):
            _end(each)

    def url(self, url: str) -> str:
        """The same database, through the proxy."""
        return url.replace(f":{self._upstream[1]}/", f":{self.port}/")

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._upstream)
            except OSError:
                client.close()
                continue
            self._sockets |= {client, server}
            asked = threading.Event()  # a commit whose answer is to be lost is on its way
            for pump in (self._ask, self._answer):
                threading.Thread(target=pump, args=(client, server, asked), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, asked: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                if self.mode == "swallow":
                    continue
                if _COMMIT in data and self.mode == "lose commits":
                    self._cut(client, server)
                    return
                if _COMMIT in data and self.mode == "lose answers to commits":
                    asked.set()
                server.sendall(data)
        _end(client), _end(server)

    def _answer(self, client: socket.socket, server: socket.socket, asked: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                if asked.is_set():
                    self._cut(client, server)
                    return
                if self.mode != "swallow":
                    client.sendall(data)
        _end(client), _end(server)

    def _cut(self, client: socket.socket, server: socket.socket) -> None:
        self.cuts += 1
        self.mode = "pass"  # one each time
        _end(client), _end(server)


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
