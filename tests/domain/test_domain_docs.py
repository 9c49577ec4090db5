"""The pictures and the glossary say what the code does."""

import re
import runpy
import xml.etree.ElementTree as ET
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace

import pytest

from smsbridge.domain.cause import Cause
from smsbridge.domain.interaction import OPEN, State, Step
from smsbridge.domain.status import FINAL, Move, Status

DOCS = Path(__file__).parents[2] / "docs"

draw_states = SimpleNamespace(**runpy.run_path(str(DOCS / "draw_states.py")))
pictures = pytest.mark.parametrize("picture", draw_states.PICTURES, ids=lambda picture: picture.file)


@pictures
def test_the_picture_is_what_the_table_draws(picture: object) -> None:
    """If it is not: `python docs/draw_states.py`, and look at it."""
    assert (DOCS / picture.file).read_text(encoding="utf-8") == draw_states.draw(picture)


@pictures
def test_the_picture_is_well_formed_and_stays_inside_its_frame(picture: object) -> None:
    width, height = picture.size
    for element in ET.fromstring(draw_states.draw(picture)).iter():  # noqa: S314 - our own text
        for name, limit in (("x", width), ("y", height), ("cx", width), ("cy", height)):
            assert 0 <= float(element.get(name, "0")) <= limit


@pictures
def test_a_changed_table_is_not_drawn_with_the_old_layout(picture: object) -> None:
    first, *others = picture.states
    more = {**picture.table, "teleport": {others[-1]: first}}
    with pytest.raises(LookupError, match="differ"):
        draw_states.draw(replace(picture, table=more, kinds={**picture.kinds, "teleport": "ours"}))
    fewer = dict(list(picture.table.items())[1:])
    with pytest.raises(LookupError, match="differ"):
        draw_states.draw(replace(picture, table=fewer))


@pytest.mark.parametrize("words", [Status, Move, State, Step, Cause])
def test_the_glossary_has_a_row_for_every_word_of_a_table(words: type[StrEnum]) -> None:
    rows = [
        line.split("|")[1] for line in (DOCS / "glossary.md").read_text(encoding="utf-8").splitlines() if "|" in line
    ]
    defined = set(re.findall(r"`([a-z_]+)`", " ".join(rows)))
    assert {str(word) for word in words} <= defined


@pytest.mark.parametrize(("heading", "marked"), [("status", FINAL), ("state", OPEN)])
def test_the_glossary_marks_what_is_final_and_what_is_open(heading: str, marked: frozenset[StrEnum]) -> None:
    table = (DOCS / "glossary.md").read_text(encoding="utf-8").partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    assert set(re.findall(r"\| `(\w+)` .* yes \|", table)) == set(marked)
