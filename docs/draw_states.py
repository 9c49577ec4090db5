"""Draws docs/status.svg and docs/interaction.svg from the tables in the code: `python docs/draw_states.py`.

The places are laid out here by hand, the arrows come from the tables. Where a move is possible from every status of a
frame, one arrow leaves the frame instead of one leaving each status. An arrow without a place, or a place without an
arrow, is an error: whoever changes a table lays it out anew. A test compares the files with what this draws.
"""  # noqa: INP001

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from smsbridge.domain.interaction import OPEN, STEPS, State, Step
from smsbridge.domain.status import FINAL, MOVES, REPORT, Move, Status

Place = tuple[float, float]
Table = Mapping[Any, Mapping[Any, str]]
"""Move -> state before -> state after."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A box around states that have arrows in common. `caption` stands in its upper left corner."""

    members: frozenset[str]
    box: tuple[float, float, float, float]
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """Where an arrow runs (an SVG path) and where the middle of its words is."""

    path: str
    words: Place
    align: str = "middle"


@dataclass(frozen=True, kw_only=True)
class Picture:
    file: str
    title: str
    description: str
    size: tuple[int, int]
    table: Table
    states: Mapping[str, Place]
    frames: Mapping[str, Frame]
    arrows: Mapping[tuple[str, str, str], Arrow]
    """(state or frame, state after, kind of move) -> its place."""
    looks: Mapping[str, str]
    """State -> class, for those that do not look plain."""
    starts: Mapping[str, Arrow]
    """What it begins with -> the arrow from there."""
    kinds: Mapping[Any, str]
    """Move -> who makes it: `ours`, `person` or `report`."""
    legend: Mapping[str, str]
    finals: frozenset[str]


STATUS: Final = Picture(
    file="status.svg",
    title="The life of an outbound message",
    description="Statuses and moves, drawn from MOVES in src/smsbridge/domain/status.py.",
    size=(1112, 476),
    table=MOVES,
    states={
        Status.CANCELLED: (96, 156),
        Status.QUEUED: (290, 156),
        Status.SENDING: (490, 156),
        Status.UNCERTAIN: (490, 298),
        Status.SENT: (712, 156),
        Status.DELIVERED: (1000, 156),
        Status.UNDELIVERED: (1000, 276),
        Status.FAILED: (1000, 340),
    },
    frames={
        "open": Frame(
            members=frozenset({Status.QUEUED, Status.SENDING, Status.UNCERTAIN, Status.SENT}),
            box=(196, 40, 592, 340),
            caption="Open: any report counts, even one that overtakes the answer to the send",
        ),
        "unanswered": Frame(
            members=frozenset({Status.QUEUED, Status.SENDING, Status.UNCERTAIN}), box=(214, 84, 358, 260)
        ),
        "lost": Frame(members=frozenset({Status.UNDELIVERED, Status.FAILED}), box=(918, 236, 164, 144)),
    },
    arrows={
        (Status.QUEUED, Status.CANCELLED, "person"): Arrow(path="M228 156 H164", words=(184, 148)),
        (Status.QUEUED, Status.SENDING, "ours"): Arrow(path="M352 146 H422", words=(388, 138)),
        (Status.SENDING, Status.QUEUED, "ours"): Arrow(path="M428 166 H358", words=(392, 183)),
        (Status.SENDING, Status.UNCERTAIN, "ours"): Arrow(path="M490 180 V268", words=(498, 228), align="start"),
        (Status.UNCERTAIN, Status.QUEUED, "ours"): Arrow(path="M428 290 C372 290 330 250 330 186", words=(396, 258)),
        (Status.UNCERTAIN, Status.QUEUED, "person"): Arrow(path="M428 306 C352 306 302 258 302 186", words=(328, 302)),
        ("unanswered", Status.SENT, "report"): Arrow(path="M572 156 H644", words=(610, 148)),
        ("open", Status.DELIVERED, "report"): Arrow(path="M788 156 H932", words=(858, 148)),
        ("open", Status.UNDELIVERED, "report"): Arrow(path="M788 276 H932", words=(852, 268)),
        ("open", Status.FAILED, "report"): Arrow(path="M788 340 H932", words=(852, 332)),
        ("lost", Status.DELIVERED, "report"): Arrow(path="M1000 236 V186", words=(990, 214), align="end"),
        ("lost", Status.QUEUED, "person"): Arrow(
            path="M1000 380 V396 Q1000 412 984 412 H288 Q272 412 272 396 V186", words=(620, 404)
        ),
    },
    looks={
        Status.DELIVERED: "good",
        Status.UNDELIVERED: "bad",
        Status.FAILED: "bad",
        Status.UNCERTAIN: "doubt",
    },
    starts={"accepted": Arrow(path="M290 66 V126", words=(302, 70), align="start")},
    kinds=dict.fromkeys(Move, "ours")
    | dict.fromkeys(REPORT.values(), "report")
    | dict.fromkeys((Move.CANCEL, Move.RETRY), "person"),
    legend={"ours": "a step of the bridge", "person": "a person decides", "report": "the carrier reports"},
    finals=FINAL,
)

INTERACTION: Final = Picture(
    file="interaction.svg",
    title="The life of an interaction",
    description="States and steps, drawn from STEPS in src/smsbridge/domain/interaction.py.",
    size=(884, 290),
    table=STEPS,
    states={
        State.WAITING: (120, 130),
        State.ACTIVE: (320, 130),
        State.ENDED: (566, 130),
        State.DONE: (784, 130),
    },
    frames={"open": Frame(members=OPEN, box=(38, 40, 376, 152), caption="Open: at most one in a conversation")},
    arrows={
        (State.WAITING, State.ACTIVE, "person"): Arrow(path="M182 120 H252", words=(216, 112)),
        (State.ACTIVE, State.WAITING, "person"): Arrow(path="M258 142 H188", words=(222, 159)),
        (State.ENDED, State.WAITING, "ours"): Arrow(
            path="M534 154 V164 Q534 176 522 176 H136 Q120 176 120 160 V158", words=(458, 190)
        ),
        ("open", State.ENDED, "ours"): Arrow(path="M414 118 H498", words=(456, 110)),
        (State.ENDED, State.ACTIVE, "ours"): Arrow(path="M504 142 H388", words=(460, 160)),
        (State.ENDED, State.DONE, "person"): Arrow(path="M628 130 H716", words=(672, 122)),
        (State.ACTIVE, State.DONE, "person"): Arrow(
            path="M320 154 V212 Q320 228 336 228 H768 Q784 228 784 212 V160", words=(620, 220)
        ),
    },
    looks={State.DONE: "good"},
    starts={
        "contact texts": Arrow(path="M120 74 V100", words=(132, 78), align="start"),
        "agent texts": Arrow(path="M320 74 V100", words=(332, 78), align="start"),
    },
    kinds={Step.ACCEPT: "person", Step.DONE: "person", Step.RELEASE: "person", Step.END: "ours"}
    | dict.fromkeys((Step.REACTIVATE, Step.REQUEUE), "ours"),
    legend={
        "person": "an agent",
        "ours": "an agent, the contact or the clock",
    },
    finals=frozenset({State.DONE}),
)

PICTURES: Final = (STATUS, INTERACTION)


def draw(picture: Picture) -> str:
    """The whole SVG file. Raises LookupError when the table and the layout do not fit each other."""
    width, height = picture.size
    arrows = _gather(picture)
    if missing := arrows.keys() ^ picture.arrows.keys():
        raise LookupError(f"{picture.file}: the table and the layout differ in {sorted(missing)}")
    if missing_states := {state for row in picture.table.values() for state in row} - picture.states.keys():
        raise LookupError(f"{picture.file}: no place for {sorted(missing_states)}")
    body = [
        f'<rect class="paper" width="{width}" height="{height}" rx="16"/>',
        *(_frame(frame) for frame in picture.frames.values()),
        *(line for words, arrow in picture.starts.items() for line in _start(arrow, words)),
        *(line for key, moves in arrows.items() for line in _arrow(picture.arrows[key], moves, key[2])),
        *(line for state, place in picture.states.items() for line in _state(picture, state, place)),
        *_legend(picture),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' aria-labelledby="title desc">'
    )
    about = [f'<title id="title">{picture.title}</title>', f'<desc id="desc">{escape(picture.description)}</desc>']
    markers = "".join(_marker(kind) for kind in ("ours", "person", "report"))
    return "\n".join([head, *about, f"<style>{_STYLE}</style>", f"<defs>{markers}</defs>", *body, "</svg>", ""])


def _gather(picture: Picture) -> dict[tuple[str, str, str], list[str]]:
    """(state or frame, state after, kind) -> moves. Larger frames go first; what one takes is not drawn again."""
    arrows: dict[tuple[str, str, str], list[str]] = {}
    by_size = sorted(picture.frames.items(), key=lambda item: -len(item[1].members))
    for move, row in picture.table.items():
        for target in dict.fromkeys(row.values()):
            left = {before for before, then in row.items() if then == target}
            for name, frame in by_size:
                if frame.members <= left:
                    arrows.setdefault((name, target, picture.kinds[move]), []).append(move)
                    left -= frame.members
            for before in sorted(left):
                arrows.setdefault((before, target, picture.kinds[move]), []).append(move)
    return arrows


# --- the parts of a picture

_WIDTH: Final = 124
_HEIGHT: Final = 48


def _state(picture: Picture, state: str, place: Place) -> Iterator[str]:
    x, y = place
    look = picture.looks.get(state, "plain")
    yield (
        f'<rect class="state {look}" x="{x - _WIDTH / 2:g}" y="{y - _HEIGHT / 2:g}" width="{_WIDTH}"'
        f' height="{_HEIGHT}" rx="12"/>'
    )
    if state in picture.finals:
        yield (
            f'<rect class="rim {look}" x="{x - _WIDTH / 2 + 4:g}" y="{y - _HEIGHT / 2 + 4:g}" width="{_WIDTH - 8}"'
            f' height="{_HEIGHT - 8}" rx="8"/>'
        )
    yield f'<text class="name {look}" x="{x:g}" y="{y + 5:g}">{state}</text>'


def _frame(frame: Frame) -> str:
    x, y, width, height = frame.box
    box = f'<rect class="frame" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="18"/>'
    return box + (
        f'<text class="caption" x="{x + 16:g}" y="{y - 10:g}">{frame.caption}</text>' if frame.caption else ""
    )


def _arrow(arrow: Arrow, moves: list[str], kind: str) -> Iterator[str]:
    yield f'<path class="arrow {kind}" d="{arrow.path}" marker-end="url(#{kind})"/>'
    yield _words(arrow, ", ".join(move.replace("_", " ") for move in moves), kind)


def _words(arrow: Arrow, words: str, kind: str) -> str:
    x, y = arrow.words
    return f'<text class="move {kind}" x="{x:g}" y="{y:g}" text-anchor="{arrow.align}">{words}</text>'


def _start(arrow: Arrow, words: str) -> Iterator[str]:
    x, y = arrow.path.removeprefix("M").split()[:2]
    yield f'<circle class="dot" cx="{x}" cy="{y}" r="5"/>'
    yield f'<path class="arrow ours" d="{arrow.path}" marker-end="url(#ours)"/>'
    yield _words(arrow, words, "ours")


def _legend(picture: Picture) -> Iterator[str]:
    x, y = 38, picture.size[1] - 26
    for kind, words in picture.legend.items():
        yield f'<path class="arrow {kind}" d="M{x} {y} H{x + 30}" marker-end="url(#{kind})"/>'
        yield f'<text class="note" x="{x + 46}" y="{y + 4}">{words}</text>'
        x += 70 + 7 * len(words)
    yield f'<rect class="rim plain" x="{x}" y="{y - 8}" width="30" height="16" rx="5"/>'
    yield f'<rect class="state-small" x="{x - 3}" y="{y - 11}" width="36" height="22" rx="7"/>'
    yield f'<text class="note" x="{x + 46}" y="{y + 4}">final: nothing more happens by itself</text>'


def _marker(kind: str) -> str:
    return (
        f'<marker id="{kind}" class="head {kind}" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="8" markerHeight="8"'
        ' markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 L8 4 L0 8 Z"/></marker>'
    )


def _colours(paper: str, ink: str, soft: str, line: str, accent: str, wash: str, doubt: str, bad: str) -> str:
    """The rules that differ between light and dark."""
    return f"""
.paper {{ fill: {paper} }}
.frame, .rim.plain, .state-small {{ stroke: {line} }}
.state.plain {{ fill: {paper}; stroke: {ink} }}
.state.good {{ fill: {wash}; stroke: {accent} }}
.state.doubt {{ fill: {paper}; stroke: {doubt} }}
.state.bad {{ fill: {paper}; stroke: {bad} }}
.rim.good {{ stroke: {accent} }}
.rim.bad {{ stroke: {bad} }}
.name.plain, .move.ours, .move.person {{ fill: {ink} }}
.name.good, .move.report {{ fill: {accent} }}
.name.doubt {{ fill: {doubt} }}
.name.bad {{ fill: {bad} }}
.caption, .note {{ fill: {soft} }}
.move {{ stroke: {paper} }}
.arrow.ours, .arrow.person {{ stroke: {ink} }}
.arrow.report {{ stroke: {accent} }}
.head.ours, .head.person, .dot {{ fill: {ink} }}
.head.report {{ fill: {accent} }}
"""


_STYLE: Final = (
    """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
.name { font-size: 15px; font-weight: 600; text-anchor: middle }
.move { font-size: 12.5px; stroke-width: 5px; stroke-linejoin: round; paint-order: stroke }
.move.person { font-style: italic }
.state, .rim, .frame, .state-small, .arrow { fill: none }
.state { stroke-width: 1.5px }
.state.doubt { stroke-dasharray: 5 4 }
.arrow { stroke-width: 1.5px }
.arrow.person { stroke-dasharray: 6 4 }
"""
    + _colours("#fcfbf8", "#25302c", "#616e68", "#ccd4cf", "#1d6b51", "#e6f1eb", "#8a5d00", "#ab2a20")
    + "@media (prefers-color-scheme: dark) {"
    + _colours("#151b19", "#e4ebe7", "#9daaa4", "#3b4742", "#74c9a7", "#17332a", "#e2b458", "#f29a92")
    + "}\n"
)


if __name__ == "__main__":
    for picture in PICTURES:
        Path(__file__).with_name(picture.file).write_text(draw(picture), encoding="utf-8")
