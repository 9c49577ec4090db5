"""Whether carriers can reach us: the form of the public address, and a walk out and back in through it."""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import urlsplit

import httpx

from smsbridge.addresses import is_public
from smsbridge.provisioning.check import Check
from smsbridge.wire.probe import PROBE_PATH, write_probe_answer

NAME: Final = "public_url"
TUNNEL: Final = "docs/connect-a-real-number.md shows three ways to get a public https address"


def check_public_url(public_url: str) -> Check:
    """What can be seen without calling anybody."""
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        detail = f"{public_url or 'public_url'} is no https address; carriers would send texts and numbers in the clear"
        return Check(name=NAME, verdict="fail", detail=detail, cure=TUNNEL)
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".test", ".invalid")):
        return Check(name=NAME, verdict="fail", detail=f"{host} means something only on this network", cure=TUNNEL)
    if (":" in host or host.replace(".", "").isdigit()) and not is_public(host):
        return Check(name=NAME, verdict="fail", detail=f"{host} is not an address of the public Internet", cure=TUNNEL)
    return Check(name=NAME, verdict="ok", detail=f"{public_url} is an https address")


async def probe(http: httpx.AsyncClient, public_url: str, *, key: bytes, nonce: str) -> Check:
    """Calls the bridge by its public address. Only the running bridge with our key gives the answer.

    Raises ValueError for a nonce of another form than wire.probe wants.
    """
    expected = write_probe_answer(key, nonce)
    if expected is None:
        raise ValueError("no nonce")
    url = f"{public_url}{PROBE_PATH}"
    try:
        answer = await http.get(url, params={"nonce": nonce})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = f"{url} cannot be reached from here: {str(error) or type(error).__name__}"
        cure = "start the bridge and the tunnel or proxy; where a host cannot call its own public address, add --force"
        return Check(name=NAME, verdict="fail", detail=detail, cure=cure)
    if hmac.compare_digest(answer.content.strip(), expected.encode()):
        return Check(name=NAME, verdict="ok", detail=f"{public_url} leads to this bridge")
    if answer.is_success and len(answer.content.strip()) == len(expected):
        detail = f"{public_url} leads to another bridge, or to one with other keys"
        return Check(name=NAME, verdict="fail", detail=detail, cure="use the configuration and data_dir of that bridge")
    detail = f"{public_url} leads to something that is not this bridge: it answered {answer.status_code}"
    return Check(
        name=NAME, verdict="fail", detail=detail, cure="start the bridge; point the tunnel or proxy at its port"
    )
