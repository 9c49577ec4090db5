"""The demo's scripted run in every carrier's dialect: one demo for each, on which one story follows the other.

The stories are those of the README; what differs is what the carrier has words for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e2e import test_demo_story as story
from e2e.conftest import Demo, running_demo
from smsbridge.carriers import load_carriers
from smsbridge.simulator.dialects import dialect_names

pytestmark = pytest.mark.xdist_group("e2e")

FATES = {
    "landline": ("not_sms_capable", {"not_mobile", "invalid_number"}),
    "landline_late": ("not_sms_capable", {"not_mobile", "invalid_number"}),
    "switched_off": ("undelivered", {"unreachable"}),
    "blocked": ("undelivered", {"blocked", "unreachable"}),
    "filtered": ("undelivered", {"filtered", "blocked"}),
    "opted_out": ("opted_out", {"opted_out"}),
}
"""Notice and cause of a persona. Not every carrier tells a filter from a block."""

OPT_OUT_IS_A_BLOCK = {"kannel", "sinch"}
"""They have no code for those who said STOP."""
TELLS_NO_TIME = {"generic", "plivo", "twilio"}
"""Elsewhere texts bring their time, and a START counts once the clocks tell for certain that it followed the STOP."""
SENDER_IS_FIXED = {"bird"}
"""A channel has one number, whatever a send says."""


@pytest.mark.parametrize("carrier", dialect_names())
async def test_the_scripted_run(carrier: str, tmp_path: Path) -> None:
    abilities = load_carriers()[carrier].abilities
    async with running_demo(tmp_path / "demo", "--carrier", carrier) as demo:
        assert demo.ready["carrier"] == carrier
        await story.test_a_text_in_a_reply_out_and_delivered(demo)
        if abilities.media:
            await story.test_pictures_both_ways(demo)
            await story.test_the_agent_is_told_of_an_attachment_problem(demo, "corrupt.jpg", "unreadable")
        if carrier in TELLS_NO_TIME:
            await story.test_stop_is_honoured_and_told_and_start_brings_them_back(demo)
        else:
            await _stop_is_honoured(demo)
        await _too_much_delays_and_the_agent_is_told(demo)
        for persona in FATES:
            await _the_agent_is_told(demo, carrier, persona)
        if carrier not in SENDER_IS_FIXED:
            await _the_agent_is_told_of_a_wrong_sender(demo)


async def _the_agent_is_told(demo: Demo, carrier: str, persona: str) -> None:
    kind, causes = FATES[persona]
    if persona == "opted_out" and carrier in OPT_OUT_IS_A_BLOCK:
        kind, causes = FATES["blocked"]
    phone = demo.phone()
    await phone.text("hello")
    interaction = await demo.api.interaction_of(phone.number)
    await phone.become(persona)
    reply = await demo.api.post("/messages", {"interaction_id": interaction["id"], "text": "hello"}, status=202)
    failed = await demo.api.status(reply["id"], "failed", "undelivered")
    assert failed["cause"] in causes, (persona, failed)
    notice = await demo.api.notice(interaction["id"], kind)
    assert (notice["cause"], notice["message_id"]) == (failed["cause"], reply["id"])
    assert notice["evidence"]["carrier"]
    assert await _notices_about(demo, reply["id"]) == [notice["id"]]


async def _stop_is_honoured(demo: Demo) -> None:
    phone = demo.phone()
    await phone.text("hello")
    interaction = await demo.api.interaction_of(phone.number)
    await phone.text("STOP")
    await demo.api.notice(interaction["id"], "opted_out")
    refused = await demo.api.call("POST", "/messages", {"to": phone.number, "text": "wait"})
    assert (refused.status, refused.body["cause"]) == (422, "opted_out")


async def _too_much_delays_and_the_agent_is_told(demo: Demo) -> None:
    phone = demo.phone()
    await phone.text("hello")
    interaction = await demo.api.interaction_of(phone.number)
    await phone.become("rate_limited")
    reply = await demo.api.post("/messages", {"interaction_id": interaction["id"], "text": "soon"}, status=202)
    notice = await demo.api.notice(interaction["id"], "delayed")
    assert notice["message_id"] == reply["id"]
    assert notice["cause"] in ("rate_limited", "queue_full", "carrier_outage")  # not every carrier says which
    await phone.become("mobile")
    await demo.api.status(reply["id"], "delivered")
    assert [each["text"] for each in await phone.received()] == ["soon"]


async def _the_agent_is_told_of_a_wrong_sender(demo: Demo) -> None:
    phone = demo.phone()
    reply = await demo.api.post("/messages", {"to": phone.number, "from": "+15005550007", "text": "x"}, status=202)
    failed = await demo.api.status(reply["id"], "failed", "undelivered")
    notice = await demo.api.notice(failed["interaction_id"], "wrong_sender_number")
    assert notice["message_id"] == reply["id"]


async def _notices_about(demo: Demo, message_id: str) -> list[Any]:
    raised = [event["data"] for event in await demo.api.events() if event["type"] == "notice.raised"]
    return [each["id"] for each in raised if each["message_id"] == message_id]
