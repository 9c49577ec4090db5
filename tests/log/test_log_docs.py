"""docs/logs.md lists every event that the code writes, and no other."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import structlog

import smsbridge
from smsbridge.flows import lanes
from smsbridge.log import set_up_logging

SOURCE = Path(smsbridge.__file__).parent
PAGE = Path(__file__).parents[2] / "docs/logs.md"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
EVENT = re.compile(r"[a-z_]+\.[a-z_]+")


def events_written() -> Iterator[tuple[str, str]]:
    """File and event of each call that writes to a log. The simulator's own library logging is no event."""
    for file in SOURCE.rglob("*.py"):
        if "simulator" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            by_level = isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS
            by_name = isinstance(node.func, ast.Name) and node.func.id == "log"
            if by_level or by_name:
                for said in ast.walk(node.args[0]):
                    if isinstance(said, ast.Constant) and isinstance(said.value, str):
                        yield file.name, said.value


def test_the_page_lists_every_event_and_no_other() -> None:
    written = set(events_written())
    assert len(written) > 15
    for file, event in written:
        assert EVENT.fullmatch(event), f"{file}: an event is noun.past_tense, not {event!r}"
    page = PAGE.read_text("utf-8")
    listed = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", page, re.MULTILINE))
    assert listed == {event for _, event in written}


def test_the_example_on_the_page_has_the_fields_that_every_line_has() -> None:
    example = re.search(r"```json\n(.*)\n```", PAGE.read_text("utf-8"))
    assert example is not None
    assert re.match(r'\{"ts":"[^"]+","level":"info","event":"webhook\.accepted"', example[1])


def test_what_the_pages_look_for_in_the_journal_is_there_as_it_is_written() -> None:
    """A blank after a colon, and `journalctl -g` finds nothing in a night when it counts."""
    out = io.StringIO()
    set_up_logging(style="json", stream=out, environment={})
    for kind in (lanes.SEND, lanes.SETTLE, lanes.DELIVER, lanes.CATCH_UP):
        structlog.get_logger().info("job.ended", kind=kind)
    for _, event in set(events_written()):
        structlog.get_logger().info(event)
    pages = "\n".join(page.read_text("utf-8") for page in PAGE.parent.rglob("*.md"))
    looked_for = re.findall(r"journalctl .*-g ('[^']*'|\S+)", pages)
    assert len(looked_for) >= 5
    for pattern in looked_for:
        assert re.search(pattern.strip("'"), out.getvalue()), pattern
