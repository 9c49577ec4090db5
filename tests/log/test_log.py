"""What the log looks like, and what never gets into it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from smsbridge.log import Format, mask_text, set_up_logging

NUMBER = "+14155550123"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def written() -> Callable[..., str]:
    def write(work: Callable[[], None], *, style: Format = "json", stream: Any = None, **environment: str) -> str:
        out = stream if stream is not None else io.StringIO()
        set_up_logging(style=style, stream=out, environment=environment)
        work()
        text: str = out.getvalue()
        return text

    return write


def test_a_line_is_json_with_time_level_and_event(written: Callable[..., str]) -> None:
    line = json.loads(written(lambda: structlog.get_logger().info("job.ended", outcome="done", elapsed_ms=3)))
    assert line.pop("ts").endswith("Z")
    assert line == {"event": "job.ended", "level": "info", "outcome": "done", "elapsed_ms": 3}
    assert list(line)[:2] == ["level", "event"]


def test_people_on_a_terminal_get_columns_in_colour_unless_they_want_none(written: Callable[..., str]) -> None:
    def work() -> None:
        structlog.get_logger().info("job.ended", outcome="done")

    assert "\x1b[" in written(work, style="auto", stream=Terminal())
    plain = written(work, style="auto", stream=Terminal(), NO_COLOR="1")
    assert "\x1b[" not in plain
    assert "job.ended" in plain
    assert json.loads(written(work, style="auto"))["event"] == "job.ended"


def test_a_library_writes_in_the_same_way_and_says_its_name(written: Callable[..., str]) -> None:
    line = json.loads(written(lambda: logging.getLogger("some.library").warning("it %s", "broke")))
    assert (line["event"], line["logger"], line["level"]) == ("it broke", "some.library", "warning")


def test_chatty_libraries_are_silent(written: Callable[..., str]) -> None:
    assert written(lambda: logging.getLogger("httpx").info("GET https://x")) == ""


def test_less_important_lines_are_left_out() -> None:
    out = io.StringIO()
    set_up_logging(level="warning", style="json", stream=out, environment={})
    structlog.get_logger().info("job.ended")
    structlog.get_logger().warning("job.crashed")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["job.crashed"]


def test_the_journal_gets_levels_and_no_second_clock(tmp_path: Any) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        found = os.fstat(stream.fileno())
        journal = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        set_up_logging(style="auto", stream=stream, environment=journal)
        structlog.get_logger().warning("webhook.refused")
        set_up_logging(style="auto", stream=stream, environment={"JOURNAL_STREAM": "1:2"})  # a parent's, not ours
        structlog.get_logger().warning("webhook.refused")
        stream.seek(0)
        ours, redirected = stream.read().splitlines()
    assert ours.startswith("<4>{")
    assert "ts" not in json.loads(ours[3:])
    assert "ts" in json.loads(redirected)


def shout(secret: str) -> None:
    """A secret in every place of a line that a careless hand could put it."""
    log = structlog.get_logger().bind(token=secret)
    log.info("request.answered", text=secret, headers={"x": secret}, nested={"deeper": {"auth_token": secret}})
    log.info("request.answered", url=f"https://api.example/x?token={secret}&n={NUMBER}")
    log.info("request.answered", reason=f"Authorization: Bearer {secret}")
    log.info("request.answered", url=f"https://user:{secret}@api.example/", path=f"/media/{secret}{'a' * 16}")
    logging.getLogger("library").warning("headers were %s", {"Authorization": f"Basic {secret}"})
    try:
        raise ValueError(f"{NUMBER} cannot be reached with password={secret}")
    except ValueError:
        log.exception("job.crashed")
        logging.getLogger("library").exception("broke")


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_secret_text_or_number_gets_through(written: Callable[..., str], style: Format) -> None:
    lines = written(lambda: shout("canary42"), style=style)
    assert lines.count("request.answered") == 4
    assert lines.count("Traceback") == 2
    assert "canary42" not in lines
    assert NUMBER not in lines
    assert NUMBER[1:] not in lines


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"from {NUMBER} to %2B442071838750.", "from +1…23 to +44…50."),
        ("smsb_abc123_" + "x" * 43 + "_Ab1", "smsb_abc123_[masked]"),
        ("whsec_QUJD+/==", "whsec_[masked]"),
        ("at +1 of 3, 1790000000000 ms, v1.2+3", "at +1 of 3, 1790000000000 ms, v1.2+3"),
    ],
)
def test_what_looks_like_a_number_or_a_secret_is_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_a_full_disk_takes_the_lines_and_not_the_work() -> None:
    with open("/dev/full", "w", buffering=1, encoding="utf-8") as full:
        set_up_logging(style="json", stream=full, environment={})
        structlog.get_logger().info("job.ended")
        logging.getLogger("library").error("broken")
        with contextlib.suppress(OSError):
            full.close()
