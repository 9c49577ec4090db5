"""Counting and splitting, against two oracles and a file of vectors that the browser's counter is held to as well."""

import json
import string
import unicodedata
from pathlib import Path

import pytest
import smsutil
from hypothesis import example, given
from hypothesis import strategies as st

from smsbridge.domain.characters import clean_text
from smsbridge.domain.events import OptOutKind
from smsbridge.domain.text import (
    GSM7,
    GSM7_BASIC,
    GSM7_EXTENSION,
    count_segments,
    plain_quotes,
    read_keyword,
    split_text,
)

VECTORS = json.loads((Path(__file__).parent / "segments.json").read_text(encoding="utf-8"))

FAMILY = "👨‍👩‍👧‍👦"
PIECES = ["a", " ", "\n", "\r\n", "€", "[", "é", "ж", "’", "😀", "👍🏽", FAMILY, "🇬🇧", "e\u0301", "한", "1\ufe0f\u20e3"]

# Runs of the same piece reach the boundaries of segments; single characters reach the rest.
long_texts = st.lists(st.tuples(st.sampled_from(PIECES), st.integers(1, 170)), max_size=5).map(
    lambda runs: "".join(piece * times for piece, times in runs)
)
texts = st.one_of(long_texts, st.text(max_size=60), st.text(alphabet=sorted(GSM7), max_size=200))


# --- counting


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: row["name"])
def test_the_vectors_count_as_written(row: dict) -> None:
    """`text` is a list of [piece, times]; the same file is read by the browser's counter."""
    segments = count_segments("".join(piece * times for piece, times in row["text"]))
    counted = {name: getattr(segments, name) for name in ("count", "encoding", "units", "units_left", "forced_by")}
    assert counted == {name: row[name] for name in counted}


def test_there_are_enough_vectors_and_no_two_are_alike() -> None:
    assert len(VECTORS) >= 40
    assert len({row["name"] for row in VECTORS}) == len({json.dumps(row["text"]) for row in VECTORS}) == len(VECTORS)


@given(texts)
@example("a" * 152 + "€" + "a" * 151 + "€")
def test_segments_agree_with_an_independent_package(text: str) -> None:
    """smsutil takes the bare escape for a character and the empty text for UCS-2; in all else it must agree."""
    text = text.replace("\x1b", "")
    if not text:
        return
    theirs = smsutil.split(text)
    ours = count_segments(text)
    is_gsm7 = theirs.encoding == "gsm0338"
    bytes_per_unit = 1 if is_gsm7 else 2
    assert ours.encoding == ("GSM-7" if is_gsm7 else "UCS-2")
    assert (ours.count, ours.units) == (len(theirs.parts), theirs.total_bytes // bytes_per_unit)
    room = (160 if is_gsm7 else 70) if ours.count == 1 else (153 if is_gsm7 else 67)
    assert ours.units_left == room - theirs.parts[-1].bytes // bytes_per_unit


@given(texts)
def test_segments_agree_with_cutting_the_encoded_text(text: str) -> None:
    """The second oracle encodes first and then cuts the code units, stepping back from the middle of a pair."""
    if set(text) <= GSM7:
        units = [unit for c in text for unit in (("ESC", c) if c in GSM7_EXTENSION else (c,))]
        single, several, opens_a_pair = 160, 153, lambda unit: unit == "ESC"
    else:
        wire = text.encode("utf-16-be")
        units = [wire[i : i + 2] for i in range(0, len(wire), 2)]
        single, several, opens_a_pair = 70, 67, lambda unit: 0xD8 <= unit[0] <= 0xDB
    pieces, rest = [], units
    while len(units) > single and rest:
        end = min(several, len(rest))
        end -= opens_a_pair(rest[end - 1])
        pieces.append(rest[:end])
        rest = rest[end:]
    counted = count_segments(text)
    assert counted.units == len(units)
    assert counted.count == (len(pieces) or min(len(units), 1))
    assert counted.units_left == (several - len(pieces[-1]) if pieces else single - len(units))


@given(texts)
def test_the_culprit_is_the_first_character_that_gsm7_lacks(text: str) -> None:
    segments = count_segments(text)
    assert (segments.encoding == "GSM-7") == (segments.forced_by == "")
    if segments.forced_by:
        before, _, _ = text.partition(segments.forced_by)
        assert set(before) <= GSM7
        assert segments.forced_by not in GSM7


@given(texts, st.sampled_from(PIECES))
def test_a_longer_text_never_needs_fewer_segments(text: str, more: str) -> None:
    assert count_segments(text + more).count >= count_segments(text).count


def test_the_alphabet_has_every_code_of_the_standard_once() -> None:
    """127 characters and the escape make the 128 codes of the basic table; the extension table adds ten."""
    assert (len(GSM7_BASIC), len(GSM7_EXTENSION)) == (127, 10)
    assert not GSM7_BASIC & GSM7_EXTENSION


# --- splitting


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(texts, st.integers(2, 200))
@example("", 2)
@example("😀" * 3, 2)
def test_the_parts_joined_are_the_text_and_none_is_too_long(text: str, max_chars: int) -> None:
    parts = split_text(text, max_chars)
    assert "".join(parts) == text
    assert all(units(part) <= max_chars for part in parts)
    assert all(parts) or parts == ("",)


@given(texts, st.integers(2, 200))
@example(" " * 114 + "😀" * 13, 139)
def test_splitting_is_not_wasteful(text: str, max_chars: int) -> None:
    """A part may end a tenth of its characters and one whole character (FAMILY is the widest) before it is full."""
    parts = split_text(text, max_chars)
    least = max_chars - 2 * (max_chars // 10) - units(FAMILY)
    marks = sum(unicodedata.category(character) in {"Mn", "Mc", "Me", "Cf"} for character in text)
    assert all(units(part) >= least - marks for part in parts[:-1])


@pytest.mark.parametrize(
    ("text", "max_chars", "parts"),
    [
        ("short", 1600, ("short",)),
        ("exactly ten", 11, ("exactly ten",)),
        ("the words stay whole", 20, ("the words stay whole",)),
        ("a" * 18 + " b cccc", 20, ("a" * 18 + " ", "b cccc")),
        ("a" * 17 + "\n" + "b c", 20, ("a" * 17 + "\nb ", "c")),
        ("a" * 37 + "\nb ccc", 40, ("a" * 37 + "\n", "b ccc")),
        ("a" * 37 + "   bbb", 40, ("a" * 37 + "   ", "bbb")),
        ("a" * 37 + "    bbb", 40, ("a" * 37 + "   ", " bbb")),
        ("early word " + "a" * 20, 20, ("early word " + "a" * 9, "a" * 11)),
        ("a" * 19 + "\u00a0b", 20, ("a" * 19 + "\u00a0", "b")),
        ("a" * 18 + "\u00a0b" + "c", 20, ("a" * 18 + "\u00a0b", "c")),
        ("a" * 19 + "\r\nb", 20, ("a" * 19, "\r\nb")),
        ("a" * 19 + "😀", 20, ("a" * 19, "😀")),
        ("a" * 18 + "👍🏽", 20, ("a" * 18, "👍🏽")),
        ("a" * 15 + FAMILY, 20, ("a" * 15, FAMILY)),
        ("a" * 18 + "🇬🇧", 20, ("a" * 18, "🇬🇧")),
        ("🇬🇧🇫🇷🇩🇪", 10, ("🇬🇧🇫🇷", "🇩🇪")),
        ("a" * 19 + "e\u0301", 20, ("a" * 19, "e\u0301")),
        ("a" * 19 + "1\ufe0f\u20e3", 20, ("a" * 19, "1\ufe0f\u20e3")),
        ("a" * 19 + "\u1112\u1161\u11ab", 20, ("a" * 19, "\u1112\u1161\u11ab")),
        ("a" * 19 + "🏴\U000e0067\U000e0062\U000e007f", 25, ("a" * 19, "🏴\U000e0067\U000e0062\U000e007f")),
    ],
)
def test_parts_end_where_a_reader_would_pause(text: str, max_chars: int, parts: tuple[str, ...]) -> None:
    assert split_text(text, max_chars) == parts


def test_a_character_longer_than_a_part_is_cut_rather_than_dropped() -> None:
    tower = "e" + "\u0301" * 50
    assert "".join(split_text(tower, 20)) == tower
    assert [len(part) for part in split_text(tower, 20)] == [20, 20, 11]


def test_a_part_must_hold_an_emoji() -> None:
    with pytest.raises(ValueError, match="two characters"):
        split_text("text", 1)


def test_a_long_text_is_split_in_one_pass() -> None:
    """Every character is looked at a bounded number of times, whatever the text is made of."""
    for text in ("a" * 200_000, "🇬🇧" * 20_000, "e\u0301" * 50_000, " " * 200_000):
        assert "".join(split_text(text, 1600)) == text


# --- signs


@given(texts)
def test_plain_quotes_leave_a_plain_text_alone_and_settle_at_once(text: str) -> None:
    plain = plain_quotes(text)
    assert plain_quotes(plain) == plain
    if set(text) <= GSM7:
        assert plain == text


@given(st.text(alphabet=st.characters(categories=["L", "N", "M", "So"])))
@example("Zoë’s garçon à Łódź 😀👍🏽👨‍👩‍👧‍👦🇬🇧1️⃣".replace("’", ""))
def test_plain_quotes_never_touch_letters_or_emoji(text: str) -> None:
    look_alikes = set("ʹʻʼʽˈˊˋʺ❛❜❝❞〟〝〞")
    kept = "".join(character for character in text if character not in look_alikes)
    assert plain_quotes(kept) == kept


@pytest.mark.parametrize(
    ("typographic", "plain"),
    [
        ("It’s ‘here’", "It's 'here'"),
        ("“Quoted” „so“ «or so»", '"Quoted" "so" "or so"'),
        ("10–12 h — or later − maybe", "10-12 h - or later - maybe"),
        ("Wait…", "Wait..."),
        ("5′ 10″", "5' 10\""),
        ("10\u00a0km\u202f…", "10 km ..."),
        ("soft\u00adhyphen\u200band\ufeffmarks", "softhyphenandmarks"),
        ("• one\u2028• two", "* one\n* two"),
        ("a`b´c\td", "a'b'c d"),
    ],
)
def test_plain_quotes_bring_typographic_texts_back_to_gsm7(typographic: str, plain: str) -> None:
    assert plain_quotes(typographic) == plain
    assert count_segments(plain).encoding == "GSM-7"


# --- keywords


STOP_WORDS = ["STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "REVOKE", "OPTOUT", "OPT OUT", "OPT-OUT"]
WORDS = {
    **dict.fromkeys([*STOP_WORDS, "ARRET", "ARRÊT"], OptOutKind.STOP),
    **dict.fromkeys(["START", "UNSTOP"], OptOutKind.START),
    **dict.fromkeys(["HELP", "INFO"], OptOutKind.HELP),
}


@given(
    st.sampled_from(sorted(WORDS)),
    st.sampled_from([str.lower, str.upper, str.title, str.swapcase]),
    st.text(alphabet=" \n\t\u00a0", max_size=60),
    st.text(alphabet=" .!\n", max_size=8),
    st.sampled_from(["NFC", "NFD"]),
)
@example("ARRÊT", str.lower, "", "", "NFD")
def test_a_keyword_is_read_however_it_is_typed(word: str, case: object, before: str, after: str, form: str) -> None:
    typed = unicodedata.normalize(form, before + case(word) + after)
    assert read_keyword(typed) is WORDS[word]
    assert read_keyword(typed, opted_out=True) is WORDS[word]


@pytest.mark.parametrize(
    "text",
    [
        *["", " ", ".", "!!!", "no", "yes", "YES!", "🛑", "STOP?", "ST OP", "stopp", "opt in", "information"],
        *["Stop please", "please stop", "don't stop", "stop\nit", "the end", "STOP " * 50, "stop" + "a" * 10_000],
    ],
)
def test_only_the_whole_message_is_a_keyword(text: str) -> None:
    assert read_keyword(text) is None


@pytest.mark.parametrize("text", ["YES", "yes", " Yes! "])
def test_yes_starts_again_only_after_a_stop(text: str) -> None:
    assert read_keyword(text, opted_out=True) is OptOutKind.START
    assert read_keyword(text, opted_out=False) is None


@given(st.text())
def test_no_text_breaks_the_reading_of_keywords(text: str) -> None:
    kind = read_keyword(text)
    assert kind is None or any(
        character in string.ascii_letters + "êÊ" for character in unicodedata.normalize("NFC", text)
    )


# --- cleaning


any_text = st.text(alphabet=st.characters(exclude_categories=[]))


@given(any_text)
@example("\ud83d\ude00")
@example("a\x00b\udfff")
def test_a_clean_text_can_be_stored_anywhere(text: str) -> None:
    clean = clean_text(text)
    assert "\x00" not in clean
    assert clean.encode("utf-8").decode("utf-8") == clean
    assert clean_text(clean) == clean


@given(st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
@example("one\r\ntwo\x07\x1b")
def test_cleaning_keeps_every_whole_character(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("a\x00b", "a\ufffdb"),
        ("half \ud83d a pair", "half \ufffd a pair"),
        ("\udc00", "\ufffd"),
        ("two halves \ud83d\ude00 meet", "two halves 😀 meet"),
        ("the wrong way \ude00\ud83d round", "the wrong way \ufffd\ufffd round"),
    ],
)
def test_what_cannot_be_stored_is_replaced_and_seen(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean
