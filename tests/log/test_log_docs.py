"""docs/logs.md lists every event that the code writes, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import smsbridge

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
