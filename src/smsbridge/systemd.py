"""What systemd wants to hear and what it hands over: readiness, the watchdog, sockets it holds for us.

https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Final

_FIRST_FD: Final = 3


class Notifier:
    """Tells the service manager, if there is one. Nothing here ever raises: being heard is not our business."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        env = os.environ if environment is None else environment
        self._address = env.get("NOTIFY_SOCKET", "")
        own = env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = env.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(usec) / 1_000_000 / 2 if own and usec.isdecimal() else 0.0
        """How often `watchdog` wants to be called; 0: never."""

    def ready(self, status: str) -> None:
        self._tell(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        self._tell("STOPPING=1\nSTATUS=finishing what is in flight")

    def watchdog(self) -> None:
        self._tell("WATCHDOG=1")

    def _tell(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
                speaker.connect(address)
                speaker.sendall(message.encode())
        except OSError:
            return


def held_sockets(environment: Mapping[str, str] | None = None) -> list[socket.socket]:
    """The listening sockets that systemd holds for us, so that a restart refuses nobody."""
    env = os.environ if environment is None else environment
    count = env.get("LISTEN_FDS", "")
    if env.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return []
    return [socket.socket(fileno=fd) for fd in range(_FIRST_FD, _FIRST_FD + int(count))]
