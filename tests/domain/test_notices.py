"""Every notice that can be raised, with all, some and none of its facts."""

import re
import runpy
from itertools import combinations, product
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.domain.cause import NOT_CAPABLE, WRONG_SENDER, Cause
from smsbridge.domain.message import AttachmentProblem, Certainty, NoticeKind, Severity
from smsbridge.domain.notice_texts import NoticeTexts
from smsbridge.domain.notices import (
    CATALOGUES,
    MAX_NOTICE_CHARS,
    NoticeWords,
    adds_to_unknown,
    notice_for,
    write_notice,
)

DOCS = Path(__file__).parents[2] / "docs"

FACTS = {
    "contact": "Ann Lee",
    "sender": "+1 202 555 0143",
    "carrier": "twilio",
    "code": "21606",
    "carrier_text": "The From phone number is not valid.",
    "reason": "It looks like a landline.",
    "filename": "IMG_2231.heic",
    "limit": "5 MB",
    "until": "15:20",
}
WHYS = [*Cause, *AttachmentProblem, None]
EVERY = [(language, kind) for language in CATALOGUES for kind in NoticeKind]
every_kind = pytest.mark.parametrize(("language", "kind"), EVERY)
every_certainty = pytest.mark.parametrize("certainty", Certainty)


def write(language: str, kind: NoticeKind, why: object, certainty: Certainty, **facts: str) -> NoticeWords:
    return write_notice(
        kind,
        why if isinstance(why, Cause) else None,
        certainty=certainty,
        language=language,
        problem=why if isinstance(why, AttachmentProblem) else None,
        **facts,
    )


def sentences(words: NoticeWords) -> tuple[str, str, str]:
    return words.text, words.admin_text, words.advice


def templates(row: NoticeTexts) -> list[str]:
    return [row.text, row.advice, row.admin, row.maybe_text, row.maybe_advice]


# --- how they read


@every_certainty
@every_kind
def test_every_notice_reads_well_with_all_some_and_none_of_its_facts(
    language: str, kind: NoticeKind, certainty: Certainty
) -> None:
    known = [dict(some) for size in (0, 1, len(FACTS) - 1, len(FACTS)) for some in combinations(FACTS.items(), size)]
    for why, facts in product(WHYS, known):
        for sentence in sentences(write(language, kind, why, certainty, **facts)):
            assert not set(sentence) & set("{}[]|!"), sentence
            assert sentence.endswith("."), sentence
            assert len(sentence) <= MAX_NOTICE_CHARS
            assert not re.search(r"  | [.,;]|\.\.|\. [a-z]|^[a-z ]", sentence), sentence


@every_certainty
@every_kind
def test_agents_read_one_or_two_sentences_without_codes_or_jargon(
    language: str, kind: NoticeKind, certainty: Certainty
) -> None:
    shown_to_agents = (
        shown for why in WHYS for shown in sentences(write(language, kind, why, certainty, **FACTS))[::2]
    )
    for shown in shown_to_agents:
        assert len(re.findall(r"\.(?= |$)", shown)) <= 2, shown
        assert len(shown) <= 130
        assert not re.search(r"sorry|twilio|21606|API|HTTP|webhook|error|recipient|handset", shown, re.IGNORECASE), (
            shown
        )


@every_kind
def test_what_is_only_possible_sounds_so_and_is_no_error(language: str, kind: NoticeKind) -> None:
    """Of the others there is no doubt: a keyword was read, a file is there or not, a text waits."""
    never_in_doubt = {
        NoticeKind.OPTED_OUT,
        NoticeKind.OPTED_IN,
        NoticeKind.ATTACHMENT_PROBLEM,
        NoticeKind.TEXT_WITHHELD,
        NoticeKind.DELAYED,
        NoticeKind.REROUTED,
    }
    for why in WHYS:
        words = write(language, kind, why, Certainty.POSSIBLE, **FACTS)
        assert words.severity is not Severity.ERROR
        if language == "en" and kind not in never_in_doubt:
            assert re.search(r"\b[Mm]ay\b", words.text), words.text


@every_kind
def test_the_administrator_reads_the_evidence(language: str, kind: NoticeKind) -> None:
    for why in WHYS:
        admin_text = write(language, kind, why, Certainty.CERTAIN, **FACTS).admin_text
        for evidence in ("Twilio", "21606", "The From phone number is not valid", "+1 202 555 0143"):
            assert evidence in admin_text


def test_the_severities_are_those_of_the_desk() -> None:
    certain = {kind: write("en", kind, None, Certainty.CERTAIN).severity for kind in NoticeKind}
    assert {kind for kind, severity in certain.items() if severity is Severity.INFO} == {
        NoticeKind.OPTED_IN,
        NoticeKind.DELAYED,
        NoticeKind.REROUTED,
    }
    assert {kind for kind, severity in certain.items() if severity is Severity.WARNING} == {
        NoticeKind.DELIVERY_UNCERTAIN,
        NoticeKind.OPTED_OUT,
        NoticeKind.ATTACHMENT_PROBLEM,
        NoticeKind.TEXT_WITHHELD,
    }


@pytest.mark.parametrize(
    ("kind", "why", "facts", "text"),
    [
        (
            NoticeKind.WRONG_SENDER_NUMBER,
            Cause.SENDER_NOT_OURS,
            {"sender": "+1 202 555 0143"},
            "Not sent: wrong sender number. +1 202 555 0143 is not one of our numbers.",
        ),
        (
            NoticeKind.WRONG_SENDER_NUMBER,
            Cause.SENDER_NOT_OURS,
            {},
            "Not sent: wrong sender number. The number it would go from is not one of our numbers.",
        ),
        (
            NoticeKind.NOT_SMS_CAPABLE,
            Cause.NOT_MOBILE,
            {"reason": "it looks like a landline"},
            "This number cannot receive texts. It looks like a landline.",
        ),
        (
            NoticeKind.DELAYED,
            Cause.CARRIER_OUTAGE,
            {"until": "15:20"},
            "Waiting for the carrier. It cannot be reached just now; we go on trying until 15:20.",
        ),
        (
            NoticeKind.DELAYED,
            Cause.CARRIER_OUTAGE,
            {},
            "Waiting for the carrier. It cannot be reached just now; we go on trying.",
        ),
        (NoticeKind.UNDELIVERED, Cause.BALANCE, {}, "Not delivered. The carrier could not hand the text over."),
    ],
)
def test_a_fact_that_is_missing_is_left_out_and_an_unforeseen_cause_falls_back(
    kind: NoticeKind, why: Cause, facts: dict[str, str], text: str
) -> None:
    assert write("en", kind, why, Certainty.CERTAIN, **facts).text == text


def test_an_unknown_language_is_english_and_a_variant_is_its_language() -> None:
    for language in ("en-GB", "EN", "tlh", "", "-"):
        assert write(language, NoticeKind.OPTED_IN, None, Certainty.CERTAIN) == write(
            "en", NoticeKind.OPTED_IN, None, Certainty.CERTAIN
        )


# --- hostile facts


@given(
    st.tuples(st.sampled_from(list(CATALOGUES)), st.sampled_from(NoticeKind), st.sampled_from(WHYS)),
    st.sampled_from(Certainty),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(FACTS, st.text(st.characters(exclude_categories=[]), max_size=400))
    ),
)
def test_no_fact_breaks_a_notice(where: tuple, certainty: Certainty, facts: dict[str, str]) -> None:
    for sentence in sentences(write(*where, certainty, **facts)):
        assert 1 <= len(sentence) <= MAX_NOTICE_CHARS
        assert sentence.endswith((".", "…"))
        assert sentence.encode()
        assert not any(ord(character) < 0x20 or 0x202A <= ord(character) <= 0x202E for character in sentence)


@every_certainty
@every_kind
def test_the_longest_facts_stay_within_the_limit(language: str, kind: NoticeKind, certainty: Certainty) -> None:
    for why in WHYS:
        for sentence in sentences(write(language, kind, why, certainty, **dict.fromkeys(FACTS, "W" * 1000))):
            assert len(sentence) <= MAX_NOTICE_CHARS


def test_a_fact_is_never_read_as_a_template() -> None:
    words = write("en", NoticeKind.OPTED_IN, None, Certainty.CERTAIN, contact="{sender}[x|y]", sender="12345")
    assert words.text == "Opted in again. {sender}[x|y] sent START to 12345."


def test_a_file_name_cannot_turn_our_sentence_round() -> None:
    words = write(
        "en",
        NoticeKind.ATTACHMENT_PROBLEM,
        AttachmentProblem.UNREADABLE,
        Certainty.CERTAIN,
        filename="photo\u202egpj.exe\r\n",
    )
    assert words.text.startswith("The attachment photogpj.exe could not be read.")


# --- the catalogues


@pytest.mark.parametrize("language", CATALOGUES)
def test_every_kind_has_a_row_to_fall_back_on(language: str) -> None:
    assert {kind for kind, why in CATALOGUES[language].texts if why is None} == set(NoticeKind)


@pytest.mark.parametrize("language", CATALOGUES)
def test_templates_name_only_known_facts_and_only_where_they_may_be_missing(language: str) -> None:
    catalogue = CATALOGUES[language]
    for template in [catalogue.evidence, *(text for row in catalogue.texts.values() for text in templates(row))]:
        named = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        assert named <= set(FACTS), template
        assert not set("{}|[]") & set(re.sub(r"\[[^\[\]]*\]", "", template)), template


@pytest.mark.parametrize("language", CATALOGUES)
def test_a_translation_has_no_row_that_english_does_not_have(language: str) -> None:
    assert set(CATALOGUES[language].texts) <= set(CATALOGUES["en"].texts)


# --- which notice a cause raises


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_raises_the_notice_of_its_group(cause: Cause) -> None:
    kind = notice_for(cause)
    assert (kind is NoticeKind.WRONG_SENDER_NUMBER) == (cause in WRONG_SENDER)
    assert (kind is NoticeKind.NOT_SMS_CAPABLE) == (cause in NOT_CAPABLE)
    assert kind is not NoticeKind.DELAYED, "that is said while it waits"


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (Cause.UNREACHABLE, NoticeKind.UNDELIVERED),
        (Cause.EXPIRED, NoticeKind.UNDELIVERED),
        (Cause.BLOCKED, NoticeKind.UNDELIVERED),
        (Cause.FILTERED, NoticeKind.UNDELIVERED),
        (Cause.UNKNOWN, NoticeKind.UNDELIVERED),
        (Cause.CARRIER_OUTAGE, NoticeKind.UNDELIVERED),
        (Cause.OPTED_OUT, NoticeKind.OPTED_OUT),
        (Cause.CONTENT_REJECTED, NoticeKind.CONTENT_REJECTED),
        (Cause.MEDIA_REJECTED, NoticeKind.ATTACHMENT_REFUSED),
        (Cause.AUTH, NoticeKind.SERVICE_PROBLEM),
        (Cause.BALANCE, NoticeKind.SERVICE_PROBLEM),
        (Cause.PERMISSION_OR_REGION, NoticeKind.SERVICE_PROBLEM),
    ],
)
def test_what_is_final_raises(cause: Cause, kind: NoticeKind) -> None:
    assert notice_for(cause) is kind


@pytest.mark.parametrize("cause", Cause)
def test_a_reason_that_comes_later_is_told_where_its_advice_is_another_than_after_an_unknown_one(cause: Cause) -> None:
    """Whether a text is sent again later or tried again later, it is the same to do."""
    advice = write_notice(notice_for(cause), cause, certainty=Certainty.CERTAIN).advice
    assert adds_to_unknown(cause) == (not advice.endswith("again later, or call."))


# --- the page


def test_the_page_of_notices_shows_what_the_code_writes() -> None:
    """If it does not: `python docs/write_notices.py`."""
    code = runpy.run_path(str(DOCS / "write_notices.py"))
    assert (DOCS / "notices.md").read_text(encoding="utf-8") == code["write_page"]()
