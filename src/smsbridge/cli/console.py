"""How a command reaches the bridge: through its admin socket while it runs, by opening its store while it does not.

Never both: the store's lock belongs to one process. Nothing is sent from here; what a command puts into the outbox
waits for the daemon.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from smsbridge.app import accounts_of, desktops_of, link_key, senders_of
from smsbridge.blobs import FolderBlobs
from smsbridge.cli.shared import Misconfigured, Stopped, TryAgain, Unreachable, explain_store
from smsbridge.clock import SystemClock
from smsbridge.config import Loaded, policy_of
from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import StoreInUse, StoreMisplaced, StoreTooNew, StoreUnavailable
from smsbridge.domain.errors import BridgeError
from smsbridge.ids import RandomIds
from smsbridge.imaging import ChildImaging
from smsbridge.keys import KeyRing
from smsbridge.log import set_up_logging
from smsbridge.metrics import PrometheusMeter
from smsbridge.network import HttpNetwork
from smsbridge.store import open_store
from smsbridge.web.admin import perform

ANSWER_WITHIN_S: Final = 30.0
STORE_WAIT_S: Final = 5.0
"""A daemon holds the store for a moment before and after it listens."""
_LOOK_AGAIN_S: Final = 0.1


def ask(loaded: Loaded, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Carries out a verb of web/admin.py, wherever the store is open. Raises Stopped."""
    set_up_logging(level="warning")
    until = time.monotonic() + STORE_WAIT_S
    while True:
        try:
            return ask_daemon(loaded.settings.admin_socket, verb, arguments)
        except (FileNotFoundError, ConnectionRefusedError):
            pass  # it does not run, or not yet, or no more
        except OSError as error:
            where = loaded.settings.admin_socket
            raise Stopped(f"{where} cannot be used: {error.strerror}. Run this as the bridge's user.") from None
        try:
            return asyncio.run(ask_store(loaded, verb, arguments))
        except StoreInUse:
            if time.monotonic() >= until:
                raise TryAgain("The bridge is starting or stopping; try again in a moment.") from None
            time.sleep(_LOOK_AGAIN_S)
        except BridgeError as error:
            raise Stopped(str(error)) from None
        except (StoreTooNew, StoreMisplaced) as error:
            raise Misconfigured(str(error)) from None
        except StoreUnavailable as error:
            raise Unreachable(explain_store(error, loaded.settings.store_url)) from None
        except OSError as error:
            where = error.filename or loaded.settings.data_path
            raise Unreachable(f"{where}: {error.strerror}. Check data_dir and its permissions.") from None


def ask_daemon(path: Path, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Raises OSError when nobody listens there, Stopped when the answer is no."""
    connection = _FileConnection(path)
    try:
        connection.request("POST", f"/{verb}", json.dumps(arguments), {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = json.loads(response.read())
    except (http.client.HTTPException, ValueError) as error:
        raise Stopped(f"{path} gave no answer that could be read: {type(error).__name__}.") from None
    finally:
        connection.close()
    if response.status != 200:
        words = str(body.get("error", f"status {response.status}"))
        raise TryAgain(words) if response.status == 503 else Stopped(words)
    answer: dict[str, Any] = body
    return answer


async def ask_store(
    loaded: Loaded, verb: str, arguments: dict[str, Any], *, store_path: Path | None = None
) -> dict[str, Any]:
    """By opening the store, or another SQLite file than the configured one."""
    settings = loaded.settings
    settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        url = "" if store_path else settings.store_url
        store = open_store(url, store_path or settings.store_path)
        stack.push_async_callback(store.close)
        blobs = FolderBlobs.open(settings.media_path)
        stack.callback(blobs.close)
        network = HttpNetwork()
        stack.push_async_callback(network.close)
        imaging = ChildImaging()
        stack.push_async_callback(imaging.close)
        bridge = Bridge(
            store=store,
            network=network,
            keys=KeyRing(),
            blobs=blobs,
            imaging=imaging,
            clock=SystemClock(),
            ids=RandomIds(SystemClock().now_ms),
            meter=PrometheusMeter(),
            public_url=settings.public_url,
            link_key=await link_key(store),
            accounts=accounts_of(loaded),
            senders=senders_of(loaded),
            desktops=desktops_of(loaded),
            default_desktop=settings.interactions.desktop,
            policy=policy_of(settings),
        )
        return await perform(bridge, verb, arguments)


def link_key_of_running(path: Path) -> bytes:
    """What the running bridge signs with; nothing where none runs."""
    try:
        return bytes.fromhex(ask_daemon(path, "bridge.show", {})["link_key"])
    except (Stopped, OSError):
        return b""


class _FileConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system, at a path of any length: the limit of 108 bytes is about the name that is
    given to the kernel, and the folder has a short one in /proc."""

    def __init__(self, path: Path) -> None:
        super().__init__("admin", timeout=ANSWER_WITHIN_S)
        self._path = path

    def connect(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(ANSWER_WITHIN_S)
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)
