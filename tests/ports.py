"""Ports of 127.0.0.1 for servers that are started later, or again and again on the same one."""

from __future__ import annotations

import socket
import sys


def free_port() -> int:
    """One that nobody else is given until this process ends.

    It is bound here, and nobody listens: who connects is refused, and the system chooses it neither for a server that
    takes any port nor for the near end of a connection. A server that is told its number listens there as often as it
    likes, given SO_REUSEADDR, which asyncio, PostgreSQL, PgBouncer and Kannel set. A port that was only asked for and
    given back may be somebody else's by the time it is used: between a stop and a start above all.
    """
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    port: int = probe.getsockname()[1]
    if sys.platform == "linux":
        probe.detach()  # so that it stays open
    else:
        probe.close()  # elsewhere a second one may not bind
    return port
