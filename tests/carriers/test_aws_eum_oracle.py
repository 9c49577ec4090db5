"""AWS's own package writes, signs and reads the same: botocore, from the model of the service that it brings."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.session import get_session
from botocore.validate import ParamValidator

from smsbridge.carriers import load_carriers
from smsbridge.contracts.carrier import AccountUrls, Carrier
from smsbridge.domain.message import OutboundPart
from smsbridge.wire.http import Request, Response

HERE = Path(__file__).parent / "aws_eum"
ACCOUNT = json.loads((HERE / "account.json").read_text("utf-8"))
SENDS = json.loads((HERE / "sends.json").read_text("utf-8"))
ANSWERS = json.loads((HERE / "answers.json").read_text("utf-8"))
SERVICE = get_session().get_service_model("pinpoint-sms-voice-v2")
SEND = SERVICE.operation_model("SendTextMessage")
LOOKUPS = json.loads((HERE / "lookups.json").read_text("utf-8"))
NOW_MS = 1_790_000_000_000


def build(case: dict[str, Any]) -> Carrier:
    settings = {**ACCOUNT["settings"], **case.get("settings", {})}
    return load_carriers()["aws_eum"].from_settings(settings, AccountUrls(**ACCOUNT["urls"]))


def write(case: dict[str, Any]) -> tuple[Request, int]:
    """The request of a case, and when it is made."""
    if "part" in case:
        return build(case).write_send(OutboundPart(**case["part"])), case["part"]["at_ms"]
    return build(case).write_lookup(case["number"], NOW_MS), NOW_MS


every_call = pytest.mark.parametrize(
    "case", [pytest.param(case, id=title) for title, case in (SENDS | {"lookup": LOOKUPS["mobile"]}).items()]
)


@every_call
def test_a_call_is_signed_as_aws_signs_it(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    request, at_ms = write(case)
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: at.replace(tzinfo=None))
    settings = {**ACCOUNT["settings"], **case.get("settings", {})}
    theirs = AWSRequest(
        method=request.method,
        url=request.url,
        data=request.body,
        headers={name: request.headers.get(name) for name in ("Content-Type", "X-Amz-Target")},
    )
    credentials = Credentials(settings["access_key_id"], settings["secret_access_key"])
    botocore.auth.SigV4Auth(credentials, SERVICE.signing_name, settings["region"]).add_auth(theirs)
    assert request.headers.get("X-Amz-Date") == theirs.headers["X-Amz-Date"]
    assert request.headers.get("Authorization") == theirs.headers["Authorization"]


@every_call
def test_a_call_is_what_the_model_of_the_service_asks_for(case: dict[str, Any]) -> None:
    request, _ = write(case)
    operation = SERVICE.operation_model(request.headers.get("X-Amz-Target").partition(".")[2])
    fields = json.loads(request.body)
    assert ParamValidator().validate(fields, operation.input_shape).generate_report() == ""
    theirs = create_serializer("json").serialize_to_request(fields, operation)
    assert json.loads(theirs["body"]) == fields
    for name in ("X-Amz-Target", "Content-Type"):
        assert request.headers.get(name) == theirs["headers"][name]


def test_every_kind_of_line_of_the_service_is_known() -> None:
    for kind in SERVICE.shape_for("PhoneNumberType").enum:
        answer = Response(status=200, body=json.dumps({"PhoneNumberType": kind}).encode())
        assert build({}).read_lookup("+14255550182", answer, NOW_MS) is not None


@pytest.mark.parametrize(
    "case",
    # Not where a header names the error: the protocol allows it (Smithy, awsJson1_0), and botocore does not look there.
    [
        pytest.param(case, id=title)
        for title, case in ANSWERS.items()
        if "json" in case["response"] and "x-amzn-ErrorType" not in case["response"].get("headers", {})
    ],
)
def test_an_answer_is_read_as_aws_reads_it(case: dict[str, Any]) -> None:
    response = case["response"]
    parsed = create_parser("json").parse(
        {
            "status_code": response["status"],
            "headers": {name.lower(): value for name, value in response.get("headers", {}).items()},
            "body": json.dumps(response["json"]).encode(),
        },
        SEND.output_shape,
    )
    [outcome] = case["outcome"].values()
    if "Error" not in parsed:
        assert parsed.get("MessageId", "") == outcome.get("carrier_message_id", "")
        return
    assert parsed["Error"]["Code"] == outcome["evidence"]["code"].partition("/")[0]
    assert parsed["Error"]["Message"] == outcome["evidence"].get("text", "")


def test_every_reason_in_the_table_is_one_of_the_service() -> None:
    known = {
        f"{error.name}/{reason}"
        for error in SERVICE.error_shapes
        if "Reason" in error.members
        for reason in error.members["Reason"].enum
    } | {error.name for error in SERVICE.error_shapes}
    refusals = {code for code in load_carriers()["aws_eum"].codes if "/" in code and not code.startswith("desc:")}
    assert refusals
    assert refusals <= known


def test_every_event_of_the_service_is_known() -> None:
    from smsbridge.carriers.aws_eum import STATUSES

    filters = {"ALL", "TEXT_ALL", "MEDIA_ALL", "RCS_ALL"}
    events = set(SERVICE.shape_for("EventType").enum) - filters
    assert {event for event in events if not _is_read(event, STATUSES)} == set()


def _is_read(event: str, statuses: Any) -> bool:
    channel, _, word = event.partition("_")
    return channel == "VOICE" or word in statuses
