"""What docs/adding-a-carrier.md and docs/carriers/generic.md tell people to write works as it stands there."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from carriers.test_carrier_conformance import kind_and, read_request
from smsbridge.carriers.generic import Generic
from smsbridge.contracts.carrier import AccountUrls, Carrier
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.message import OutboundPart
from smsbridge.domain.outcome import Accepted, Rejected, Uncertain
from smsbridge.wire.http import Response

DOCS = Path(__file__).parents[2] / "docs"
URLS = AccountUrls(webhook="https://bridge.example.net/hooks/carriers/acme")
PART = OutboundPart(ref="msg_01.1.1", sender="+14155550199", to="+14155550142", text="Yes.")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


def as_module(source: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    file = folder / f"{name}.py"
    file.write_text(source, "utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_the_carrier_of_the_guide_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = "adding-a-carrier.md"
    sources, examples = blocks(page, "python"), [json.loads(block) for block in blocks(page, "json")]
    acme = as_module(sources[0], "guide_acme", tmp_path, monkeypatch)
    signer = as_module(sources[1], "guide_signer", tmp_path, monkeypatch)
    account, webhooks = examples
    adapter: Carrier = acme.ADAPTER.from_settings(account["settings"], AccountUrls(**account["urls"]))

    case = webhooks["inbound_text"]
    for key in account["signing_secrets"]:
        request = signer.sign(read_request(case["request"]), account["settings"][key])
        adapter.verify(request, 0)
        events = adapter.read_webhook(request)
        assert [kind_and(event) for event in events] == case["events"]
        assert adapter.acknowledge(events).status == case["answer"]["status"]
    with pytest.raises(BadSignature):
        adapter.verify(signer.sign(request, "another"), 0)

    assert json.loads(adapter.write_send(PART).body)["reference"] == PART.ref
    assert isinstance(adapter.read_send(Response(status=201, body=b'{"id": "m-1"}')), Accepted)
    assert isinstance(adapter.read_send(Response(status=400, body=b'{"code": 11}')), Rejected)
    assert isinstance(adapter.read_send(Response(status=500)), Uncertain)
    with pytest.raises(ValueError, match=r"(?s)token: is missing; .*webhook_secret: is missing; "):
        acme.ADAPTER.from_settings({}, URLS)


@pytest.mark.parametrize("example", blocks("carriers/generic.md", "toml"))
def test_the_examples_of_the_generic_carrier_are_taken(example: str) -> None:
    read: dict[str, Any] = tomllib.loads(example.replace('"..."', '"0123456789abcdef0123456789abcdef"'))
    [account] = read["carriers"].values()
    assert account.pop("type") == "generic"
    assert PART.text.encode() in Generic.from_settings(account, URLS).write_send(PART).body
