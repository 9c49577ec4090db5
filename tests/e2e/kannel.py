"""Debian's Kannel between a bridge and a phone: bearerbox, smsbox, and the fake SMSC that bearerbox brings along.

Everything listens on 127.0.0.1 alone. The phone is a connection to the fake SMSC, which passes a line for each SMS.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote_to_bytes

import aiohttp

from ports import free_port

BEARERBOX = Path("/usr/sbin/bearerbox")
SMSBOX = Path("/usr/sbin/smsbox")
PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Ports:
    admin: int
    box: int
    fake: int
    sendsms: int


@dataclass(frozen=True, kw_only=True)
class Sms:
    """One SMS as the phone got it. `udh` is its header, which the parts of a long text have."""

    sender: str
    to: str
    kind: str
    udh: bytes
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode("utf-16-be" if self.kind == "ucs-2" else "utf-8")


_LINE = re.compile(
    rb"(?P<sender>\S+) (?P<to>\S+) (?:udh (?P<udh>\S+) )?(?P<kind>text|data|ucs-2) (?P<data>.*)\n", re.DOTALL
)


@dataclass
class Phone:
    """The far side of the fake SMSC."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    @classmethod
    async def connect(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def text(self, sender: str, to: str, text: str) -> None:
        """As GSM-7, which Kannel holds in UTF-8."""
        await self._write(f"{sender} {to} text {text}".encode())

    async def text_in_ucs2(self, sender: str, to: str, text: str) -> None:
        await self._write(f"{sender} {to} ucs2 ".encode() + quote(text.encode("utf-16-be"), safe="").encode())

    async def text_part(self, sender: str, to: str, udh: bytes, text: str) -> None:
        await self._write(f"{sender} {to} udh-text {quote(udh, safe='')} {text}".encode())

    async def next(self, count: int = 1) -> list[Sms]:
        """The next SMS that it gets."""
        listed = []
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(count):
                line = _LINE.fullmatch(await self._reader.readuntil(b"\n"))
                assert line, "the fake SMSC wrote a line of another form"
                is_text = line["kind"] == b"text"
                listed.append(
                    Sms(
                        sender=line["sender"].decode(),
                        to=line["to"].decode(),
                        kind=line["kind"].decode(),
                        udh=unquote_to_bytes(line["udh"] or b""),
                        data=line["data"] if is_text else unquote_to_bytes(line["data"].replace(b"+", b" ")),
                    )
                )
        return listed

    async def hang_up(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _write(self, line: bytes) -> None:
        self._writer.write(line + b"\n")
        await self._writer.drain()


@asynccontextmanager
async def kannel(folder: Path, *, hook: str, secret: str, password: str) -> AsyncIterator[tuple[Ports, Phone]]:
    """Until both boxes and the phone are connected. `hook` is the bridge's address for this account."""
    ports = Ports(admin=free_port(), box=free_port(), fake=free_port(), sendsms=free_port())
    (folder / "spool").mkdir()
    config = folder / "kannel.conf"
    config.write_text(_configuration(folder, ports, hook=hook, secret=secret, password=password))
    config.chmod(0o600)
    async with AsyncExitStack() as stack:
        listening = [ports.admin, ports.box, ports.fake]
        await stack.enter_async_context(_started([str(BEARERBOX), str(config)], folder, listening))
        await stack.enter_async_context(_started([str(SMSBOX), str(config)], folder, [ports.sendsms]))
        phone = await Phone.connect(ports.fake)
        stack.push_async_callback(phone.hang_up)
        await _until_all_are_connected(ports.admin, password, folder)
        yield ports, phone


def _configuration(folder: Path, ports: Ports, *, hook: str, secret: str, password: str) -> str:
    called = hook.replace("://", f"://kannel:{secret}@")
    fields = "from=%q&to=%Q&id=%I&time=%T&coding=%c&charset=%C&udh=%u"
    return f"""
group = core
admin-port = {ports.admin}
admin-interface = 127.0.0.1
admin-password = {password}
smsbox-port = {ports.box}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
store-type = spool
store-location = {folder / "spool"}
dlr-storage = internal
log-file = {folder / "bearerbox.log"}
log-level = 0

group = smsc
smsc = fake
smsc-id = phone
port = {ports.fake}
our-host = 127.0.0.1
connect-allow-ip = 127.0.0.1
denied-prefix = +44

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {ports.sendsms}
sendsms-interface = 127.0.0.1
http-request-retry = 100
http-queue-delay = 1
log-file = {folder / "smsbox.log"}
log-level = 0

group = sendsms-user
username = bridge
password = {password}
user-allow-ip = 127.0.0.1
concatenation = true
max-messages = 25

group = sms-service
keyword = post
catch-all = true
max-messages = 0
send-sender = true
post-url = "{called}?{fields}"

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "{called}?{fields}&text=%b"
"""


@asynccontextmanager
async def _started(command: Sequence[str], folder: Path, ports: Sequence[int]) -> AsyncIterator[None]:
    """A process that listens on all of `ports`; ended at the end, by its id."""
    with (folder / "log").open("ab") as out:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder
        )
    try:
        async with asyncio.timeout(PATIENCE_S):
            for port in ports:
                await _until_it_listens(port, child, folder / "log")
        yield
    finally:
        if child.returncode is None:
            child.terminate()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()


async def _until_it_listens(port: int, child: asyncio.subprocess.Process, log: Path) -> None:
    """Nobody calls to find out: the bearerbox would take who calls for an smsbox, and the fake SMSC for the phone."""
    listening = f"0100007F:{port:04X} 00000000:0000 0A"
    while listening not in Path("/proc/net/tcp").read_text("ascii"):
        assert child.returncode is None, log.read_text("utf-8", "replace")[-3_000:]
        await asyncio.sleep(0.05)


async def _until_all_are_connected(admin_port: int, password: str, folder: Path) -> None:
    """As the bearerbox sees it. The smsbox listens before it has connected."""
    status = ""
    try:
        async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as http:
            while not ("<type>smsbox</type>" in status and "<status>online" in status):
                async with http.get(f"http://127.0.0.1:{admin_port}/status.xml?password={password}") as answer:
                    status = await answer.text()
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(status + (folder / "log").read_text("utf-8", "replace")[-3_000:]) from None
