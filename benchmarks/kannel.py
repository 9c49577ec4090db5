"""Kannel, as Debian packages it, between the same far ends: bearerbox and smsbox, each with logging as in production.

Its carrier is the HTTP kind of connection, in both directions; its store is what is kept before it answers. It never
syncs to disk, drops no repeats and checks no signatures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from load import SENDER, phone_of, text_of
from servers import SERVER_CORE, free_port, started

BEARERBOX = Path("/usr/sbin/bearerbox")
SMSBOX = Path("/usr/sbin/smsbox")
StoreKind = Literal["spool", "file"]


@dataclass(frozen=True, kw_only=True)
class Kannel:
    """`carrier_port` takes texts from the carrier, `send_port` texts to be sent."""

    carrier_port: int
    send_port: int


@contextmanager
def kannel(*, store: StoreKind, desktop_url: str, carrier_url: str) -> Iterator[Kannel]:
    """On the server's core, both of its processes."""
    admin_port, box_port, carrier_port, send_port = (free_port() for _ in range(4))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "spool").mkdir()
        location = folder / ("spool" if store == "spool" else "store")
        (folder / "kannel.conf").write_text(f"""
group = core
admin-port = {admin_port}
admin-password = benchmark
smsbox-port = {box_port}
box-allow-ip = 127.0.0.1
store-type = {store}
store-location = {location}
log-file = {folder / "bearerbox.log"}
log-level = 1
access-log = {folder / "access.log"}

group = smsc
smsc = http
smsc-id = carrier
system-type = kannel
port = {carrier_port}
connect-allow-ip = 127.0.0.1
smsc-username = benchmark
smsc-password = benchmark
send-url = {carrier_url}/cgi-bin/sendsms

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send_port}
log-file = {folder / "smsbox.log"}
log-level = 1
access-log = {folder / "smsbox-access.log"}

group = sendsms-user
username = benchmark
password = benchmark
user-allow-ip = 127.0.0.1

group = sms-service
keyword = default
catch-all = yes
max-messages = 0
get-url = "{desktop_url}/texts?from=%p&to=%P&text=%a&id=%I"
""")
        config = str(folder / "kannel.conf")
        with (
            started([str(BEARERBOX), config], [carrier_port, box_port], folder, cores=SERVER_CORE),
            started([str(SMSBOX), config], [send_port], folder, cores=SERVER_CORE),
        ):
            yield Kannel(carrier_port=carrier_port, send_port=send_port)


def write_texts(count: int, *, port: int, phones: int = 2_000) -> list[bytes]:
    """What a carrier posts to Kannel."""
    return [_get("/sms", port, phone_of(number, phones), SENDER, text_of(number)) for number in range(count)]


def write_kannel_sends(count: int, *, port: int, phones: int = 2_000) -> list[bytes]:
    """What an application asks of Kannel."""
    return [
        _get("/cgi-bin/sendsms", port, SENDER, phone_of(number, phones), text_of(number)) for number in range(count)
    ]


def _get(path: str, port: int, sender: str, to: str, text: str) -> bytes:
    query = urlencode({"username": "benchmark", "password": "benchmark", "from": sender, "to": to, "text": text})
    return f"GET {path}?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
