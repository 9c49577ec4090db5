"""What every desktop promises, whichever it is. The cases of each lie in the folder of its name.

| file | holds |
|---|---|
| settings.json | settings that are taken |
| settings_refused.json | settings that are not, with how each problem begins |
| deliveries.json | an event, the time, and the request that is to come of it |
| answers.json | an answer, and the outcome that is to come of it |
| webhooks.json | a request of the desktop, and its events, or why it is refused |
"""

from __future__ import annotations

import ast
import inspect
import json
import random
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from smsbridge.contracts.desktop import Delivery, Desktop
from smsbridge.desktops import load_desktops
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import AgentCommand, AgentMessage, Ignored, Unrecognized
from smsbridge.domain.outcome import Accepted, Rejected, RetryLater, SwitchedOff
from smsbridge.wire.encoding import Unreadable
from smsbridge.wire.http import Headers, Request, Response

DESKTOPS = load_desktops()
HERE = Path(__file__).parent


def cases(file: str) -> list[Any]:
    """Every case of every desktop; a desktop without the file fails here."""
    return [
        pytest.param(DESKTOPS[name], case, id=f"{name}: {case['promise']}")
        for name in sorted(DESKTOPS)
        for case in json.loads((HERE / name / file).read_text("utf-8"))
    ]


def read_request(case: dict[str, Any]) -> Request:
    return Request(
        method=case["method"], url=case["url"], headers=Headers(case["headers"]), body=case["body"].encode("utf-8")
    )


def said(value: Any) -> dict[str, Any]:
    """A record as its case writes it: its kind and every field that is not at its default."""
    made: dict[str, Any] = {"kind": type(value).__name__}
    for field in fields(value):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if (item := getattr(value, field.name)) != default:
            made[field.name] = list(item) if isinstance(item, tuple) else item
    return made


def secrets_in(settings: dict[str, Any]) -> list[str]:
    """Short ones are left out: a letter is found in any text."""
    headers = settings.get("headers")
    hidden = [str(value) for key, value in settings.items() if "secret" in key]
    return [text for text in (*hidden, *(headers.values() if isinstance(headers, dict) else ())) if len(text) > 7]


def test_there_are_the_built_in_desk_and_the_webhook_desktop() -> None:
    assert {"desk", "webhook"} <= set(DESKTOPS)


@pytest.mark.parametrize("desktop", DESKTOPS.values(), ids=DESKTOPS)
def test_a_desktop_is_named_after_its_module(desktop: type[Desktop]) -> None:
    assert desktop.__module__ == f"smsbridge.desktops.{desktop.name}"


@pytest.mark.parametrize("desktop", DESKTOPS.values(), ids=DESKTOPS)
def test_a_desktop_opens_nothing_reads_no_clock_and_keeps_no_log(desktop: type[Desktop]) -> None:
    tree = ast.parse(inspect.getsource(sys.modules[desktop.__module__]))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in imported}
    assert not roots & {"asyncio", "socket", "ssl", "time", "random", "secrets", "uuid", "logging", "os", "sqlite3"}
    calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not calls & {"now", "utcnow", "today"}


@pytest.mark.parametrize(("desktop", "case"), cases("settings.json"))
def test_settings_are_taken_and_never_shown(desktop: type[Desktop], case: dict[str, Any]) -> None:
    before = json.dumps(case)
    made = desktop.from_settings(case["settings"])
    assert json.dumps(case) == before
    assert made == desktop.from_settings(case["settings"])
    assert not [secret for secret in secrets_in(case["settings"]) if secret in repr(made) or secret in str(made)]


@pytest.mark.parametrize(("desktop", "case"), cases("settings_refused.json"))
def test_all_problems_are_told_together_and_quote_no_secret(desktop: type[Desktop], case: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        desktop.from_settings(case["settings"])
    lines = str(caught.value).splitlines()
    assert len(lines) == len(case["problems"])
    for problem in case["problems"]:
        assert [line for line in lines if line.startswith(problem)], lines
    assert not [secret for secret in secrets_in(case["settings"]) if secret in str(caught.value)]
    assert "pw-in-the-address" not in str(caught.value)


@pytest.mark.parametrize(("desktop", "case"), cases("deliveries.json"))
def test_an_event_becomes_its_request(desktop: type[Desktop], case: dict[str, Any]) -> None:
    made = desktop.from_settings(case["settings"])
    request = made.write_delivery(Delivery(**case["delivery"]), case["now_ms"])
    assert request == made.write_delivery(Delivery(**case["delivery"]), case["now_ms"]), "the same in, the same out"
    assert request == (case["request"] and read_request(case["request"]))
    assert not [secret for secret in secrets_in(case["settings"]) if secret in repr(request)]


@pytest.mark.parametrize("desktop", DESKTOPS.values(), ids=DESKTOPS)
def test_what_a_desktop_does_agrees_with_its_abilities(desktop: type[Desktop]) -> None:
    folder = HERE / desktop.name
    made = desktop.from_settings(json.loads((folder / "settings.json").read_text("utf-8"))[0]["settings"])
    posted = [case for case in json.loads((folder / "deliveries.json").read_text("utf-8")) if case["request"]]
    read = [case for case in json.loads((folder / "webhooks.json").read_text("utf-8")) if "events" in case]
    assert (made.abilities.delivers, made.abilities.webhooks) == (bool(posted), bool(read))


@pytest.mark.parametrize(("desktop", "case"), cases("answers.json"))
def test_an_answer_becomes_its_outcome(desktop: type[Desktop], case: dict[str, Any]) -> None:
    made = desktop.from_settings(first_settings(desktop))
    outcome = made.read_delivery(Response(status=case["status"], headers=Headers(case.get("headers", {}))))
    assert type(outcome).__name__ == case["outcome"]["kind"]
    for key, value in case["outcome"].items():
        assert key == "kind" or getattr(outcome, key) == value


@pytest.mark.parametrize("desktop", DESKTOPS.values(), ids=DESKTOPS)
def test_any_answer_gives_an_outcome_and_only_the_status_decides_its_kind(desktop: type[Desktop]) -> None:
    made = desktop.from_settings(first_settings(desktop))
    rng = random.Random(1)
    for status in [*range(100, 600), 0, -1, 999]:
        bare = made.read_delivery(Response(status=status))
        for _ in range(4):
            headers = Headers({name: noise(rng) for name in ("Retry-After", "Date", "Content-Type", "Location")})
            outcome = made.read_delivery(Response(status=status, headers=headers, body=rng.randbytes(40)))
            assert isinstance(outcome, Accepted | RetryLater | Rejected | SwitchedOff)
            assert type(outcome) is type(bare)
            if isinstance(outcome, RetryLater):
                assert isinstance(outcome.cause, Cause)
                assert outcome.after_s is None or 0 <= outcome.after_s <= 86_400
                assert outcome.evidence.http_status == status


@pytest.mark.parametrize(("desktop", "case"), cases("webhooks.json"))
def test_a_webhook_is_refused_or_read_whole(desktop: type[Desktop], case: dict[str, Any]) -> None:
    made = desktop.from_settings(case["settings"])
    request = read_request(case["request"])
    if "refused" in case:
        with pytest.raises(BadSignature, match=case["refused"]) as caught:
            made.verify(request, case["now_ms"])
        hidden = [*secrets_in(case["settings"]), request.headers.get("webhook-signature").partition(",")[2]]
        assert not [secret for secret in hidden if secret in str(caught.value)]
        return
    made.verify(request, case["now_ms"])
    if case.get("unreadable"):
        with pytest.raises(Unreadable):
            made.read_webhook(request)
        return
    events = made.read_webhook(request)
    assert [said(event) for event in events] == case["events"]
    assert events == made.read_webhook(request), "the same in, the same out"
    assert made.acknowledge(events).ok


@pytest.mark.parametrize("desktop", DESKTOPS.values(), ids=DESKTOPS)
def test_no_bytes_get_past_the_signature_or_raise_anything_else(desktop: type[Desktop]) -> None:
    made = desktop.from_settings(first_settings(desktop))
    rng = random.Random(2)
    bodies = [json.dumps(value).encode() for value in SHAPES] + [rng.randbytes(rng.randrange(60)) for _ in range(400)]
    for body in bodies:
        headers = Headers(
            (name, noise(rng)) for name in ("webhook-id", "webhook-timestamp", "webhook-signature", "Content-Type")
        )
        request = Request(method="POST", url="https://bridge.example.com/hooks/desktops/x", headers=headers, body=body)
        with pytest.raises(BadSignature):
            made.verify(request, 1_772_637_944_000)
        try:
            events = made.read_webhook(request)
        except Unreadable:
            continue
        assert events, "nothing is dropped"
        assert all(isinstance(event, AgentMessage | AgentCommand | Ignored | Unrecognized) for event in events)
        assert made.acknowledge(events).status == 202


def first_settings(desktop: type[Desktop]) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((HERE / desktop.name / "settings.json").read_text("utf-8"))[0]["settings"]
    return settings


def noise(rng: random.Random) -> str:
    alphabet = "\0\n\r\t ,.;=v1aA+/09-–é٣😀\udc80"
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(12)))


WORDS: list[Any] = [
    None,
    True,
    0,
    -1,
    1e300,
    "",
    "x",
    "\udfff",
    [],
    [None],
    {},
    {"id": []},
    {"url": 1},
    [{"url": None}],
]
KEYS = ("text", "to", "from", "interaction_id", "external_id", "agent", "media", "metadata", "client_reference", "note")
SHAPES: list[Any] = [
    *WORDS,
    *({"type": kind, "data": word} for kind in ("message.send", "interaction.end", "", None) for word in WORDS),
    *(
        {"type": kind, "data": {"interaction_id": "int_1", "text": "x", key: word}}
        for kind in ("message.send", "interaction.accept", "interaction.done")
        for key in KEYS
        for word in WORDS
    ),
]
