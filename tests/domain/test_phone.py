import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smsbridge.domain.message import Number, SmsCapable
from smsbridge.domain.phone import (
    MAX_ADDRESS_CHARS,
    NumberFacts,
    mask_number,
    number_facts,
    read_number,
    read_own_sender,
    read_sender_of_text,
    sender_kind,
)

any_text = st.text(alphabet=st.characters(exclude_categories=[]), max_size=100)
e164_shapes = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)
scribbles = st.text(alphabet="+0123456789 -().\u202a\u2011\u0663abx;", max_size=24)


# --- numbers of contacts


@pytest.mark.parametrize(
    ("written", "region", "number"),
    [
        ("+14155550123", None, "+14155550123"),
        ("+1 (415) 555-0123", None, "+14155550123"),
        ("+1.415.555.0123", None, "+14155550123"),
        ("+1/415/555/0123", None, "+14155550123"),
        ("\u202a+1 415 555\u20110123\u202c", None, "+14155550123"),  # as pasted from a phone's contacts
        ("\uff0b1\u3000415\u3000555\u30000123", None, "+14155550123"),
        ("+٤٤٧٧٠٠٩٠٠١٢٣", None, "+447700900123"),
        ("+44 (0)20 7946 0018", None, "+442079460018"),
        ("+4402079460018", None, "+442079460018"),
        ("+39 06 698 1", None, "+39066981"),
        ("415 555 0123", "US", "+14155550123"),
        ("1 415 555 0123", "US", "+14155550123"),
        ("011 44 7700 900123", "US", "+447700900123"),
        ("0044 7700 900123", "DE", "+447700900123"),
        ("07700 900123", "GB", "+447700900123"),
        ("+447700900123", "US", "+447700900123"),
    ],
)
def test_a_number_is_read_as_people_write_it(written: str, region: str | None, number: str) -> None:
    assert read_number(written, region) == number


@pytest.mark.parametrize("last", range(10))
def test_the_published_test_numbers_of_carriers_are_taken(last: int) -> None:
    assert read_number(f"+1500555000{last}") == f"+1500555000{last}"


@pytest.mark.parametrize("number", ["+15555550123", "+447700900123", "+15005550009"])
def test_a_number_that_the_plan_does_not_list_is_taken_all_the_same(number: str) -> None:
    assert read_number(number) == number


@pytest.mark.parametrize(
    ("written", "region", "problem"),
    [
        ("", None, "empty"),
        ("  \u200e ", None, "empty"),
        ("+", None, "only digits"),
        ("1+4155550123", None, "only digits"),
        ("++14155550123", None, "only digits"),
        ("+1415FLOWERS", None, "only digits"),
        ("+14155550123;ext=3", None, "only digits"),
        ("whatsapp:+14155550123", None, "only digits"),
        ("+14155550123\x00", None, "only digits"),
        ("4155550123", None, "no country code"),
        ("00447700900123", None, "no country code"),
        ("12345", None, "no country code"),
        ("+999123456789", None, "country code that does not exist"),
        ("+0123456789", None, "country code that does not exist"),
        ("+1415555012", None, "too short"),
        ("+15550123", None, "no area code"),
        ("+141555501234", None, "too long"),
        ("+1" + "4" * 62, None, "too long"),
        ("+49" + "1" * 14, None, "too long"),  # the German plan allows it, E.164 does not
        ("+1" + "4" * 10_000, None, "too long"),
        ("12345", "GB", "no area code"),
        ("0", "US", "not a phone number"),
        ("+490000000", None, "not a phone number"),
        ("4155550123", "us", "not a region"),
    ],
)
def test_what_is_wrong_is_said_with_an_example_and_without_the_number(
    written: str, region: str | None, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        read_number(written, region)
    said = str(caught.value)
    assert said.endswith(".")
    assert "+14155550123" in said or "US or GB" in said
    assert len(written) < 7 or written not in said.replace("+14155550123", "")


@pytest.mark.parametrize("kind", ["FIXED_LINE", "MOBILE", "TOLL_FREE", "VOIP", "PERSONAL_NUMBER", "PREMIUM_RATE"])
def test_the_library_s_own_examples_of_every_country_read_as_themselves(kind: str) -> None:
    kind_id = getattr(phonenumbers.PhoneNumberType, kind)
    examples = [
        phonenumbers.example_number_for_type(region, kind_id) for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    ]
    written = [phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164) for found in examples if found]
    assert len(written) > 20
    assert [read_number(number) for number in written] == written


@given(e164_shapes)
@example("+14155550123")
@example("+11155550123")
@example("+490000000")
@example("+54111512345678")
def test_what_was_read_reads_as_itself(written: str) -> None:
    try:
        number = read_number(written)
    except ValueError:
        return
    assert read_number(number) == number
    assert phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.E164) == number


@given(st.from_regex(r"\+1[2-9][0-9]{9}", fullmatch=True))
def test_the_fast_path_for_north_america_agrees_with_the_library(written: str) -> None:
    parsed = phonenumbers.parse(written)
    assert phonenumbers.is_possible_number_with_reason(parsed) == phonenumbers.ValidationResult.IS_POSSIBLE
    assert phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == read_number(written) == written


@given(st.one_of(any_text, scribbles), st.sampled_from([None, "US", "GB", "DE"]))
def test_any_text_is_a_number_or_a_value_error(text: str, region: str | None) -> None:
    try:
        number = read_number(text, region)
    except ValueError:
        return
    assert number.startswith("+")
    assert number[1:].isascii()
    assert number[1:].isdigit()
    assert 8 <= len(number) <= 16


# --- who texts us


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+14155550123", "+14155550123"),
        (" +1 415 555 0123 ", "+14155550123"),
        ("447700900123", "+447700900123"),  # Vonage and others leave the plus out
        ("123456789", "+123456789"),
        ("12345678", "12345678"),
        ("+4402079460018", "+442079460018"),
        ("+999123456789", "+999123456789"),  # the plan may be behind; the carrier has seen it
        ("12345", "12345"),
        ("729", "729"),
        ("INFO", "INFO"),
        ("My Bank", "My Bank"),
        ("whatsapp:+14155550123", "whatsapp:+14155550123"),
        ("", "unknown"),
        (" \n", "unknown"),
        ("12", "12"),
        ("a\x00\ud83d", "a\ufffd\ufffd"),
    ],
)
def test_the_sender_of_a_text_is_kept_whatever_it_is(written: str, number: str) -> None:
    assert read_sender_of_text(written) == number


@given(st.one_of(any_text, scribbles, e164_shapes))
def test_no_text_is_lost_for_its_sender(text: str) -> None:
    sender = read_sender_of_text(text)
    assert 1 <= len(sender) <= MAX_ADDRESS_CHARS
    assert "\x00" not in sender.encode().decode()
    assert read_sender_of_text(sender) == sender
    number_facts(sender)
    mask_number(sender)


# --- our own senders


@pytest.mark.parametrize(
    ("written", "sender", "kind"),
    [
        ("+14155550123", "+14155550123", "long_code"),
        ("+1 (415) 555-0123", "+14155550123", "long_code"),
        ("447700900123", "+447700900123", "long_code"),
        ("+18005550100", "+18005550100", "toll_free"),
        ("+448081570000", "+448081570000", "toll_free"),
        ("12345", "12345", "short_code"),
        ("24-365", "24365", "short_code"),
        ("MyShop", "MyShop", "alphanumeric"),
        (" My Shop 24 ", "My Shop 24", "alphanumeric"),
        ("1234567890A", "1234567890A", "alphanumeric"),
    ],
)
def test_a_sender_of_ours_is_one_of_four_kinds(written: str, sender: str, kind: str) -> None:
    assert read_own_sender(written) == sender
    assert sender_kind(sender) == kind


@pytest.mark.parametrize("written", ["", "12", "My Shop 24x7", "Café", "A_B", "+1415", "123456789012", "\x00", "STOP!"])
def test_what_can_be_no_sender_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        read_own_sender(written)


@given(st.one_of(any_text, scribbles))
def test_a_sender_reads_as_itself(text: str) -> None:
    try:
        sender = read_own_sender(text)
    except ValueError:
        return
    assert read_own_sender(sender) == sender
    assert sender_kind(sender) in {"long_code", "toll_free", "short_code", "alphanumeric"}


# --- what a number says


@pytest.mark.parametrize(
    ("number", "kind", "capable"),
    [
        ("+447911123456", "mobile", SmsCapable.YES),
        ("+8613800138000", "mobile", SmsCapable.YES),
        ("+442079460018", "landline", SmsCapable.NO),
        ("+14155550123", "landline_or_mobile", SmsCapable.UNKNOWN),
        ("+18005550100", "toll_free", SmsCapable.UNKNOWN),
        ("+80012345678", "toll_free", SmsCapable.UNKNOWN),
        ("+445600123456", "voip", SmsCapable.UNKNOWN),
        ("+447012345678", "personal", SmsCapable.UNKNOWN),
        ("+15005550006", "personal", SmsCapable.UNKNOWN),
        ("+19002345678", "premium", SmsCapable.NO),
        ("+4918012345", "shared_cost", SmsCapable.NO),
        ("+447640123456", "pager", SmsCapable.NO),
        ("+445512345678", "uan", SmsCapable.NO),
        ("+41860123456789", "voicemail", SmsCapable.NO),
    ],
)
def test_the_kind_of_line_decides(number: str, kind: str, capable: SmsCapable) -> None:
    facts = number_facts(Number(number))
    assert (facts.valid, facts.type, facts.sms_capable) == (True, kind, capable)


@pytest.mark.parametrize("number", ["+447700900123", "+15555550123", "+999123456789", "12345"])
def test_what_the_plan_does_not_list_is_unknown_and_never_no(number: str) -> None:
    facts = number_facts(Number(number))
    assert (facts.valid, facts.type, facts.sms_capable) == (False, "unknown", SmsCapable.UNKNOWN)


def test_a_name_cannot_be_answered() -> None:
    assert number_facts(Number("INFO")).sms_capable is SmsCapable.NO


@given(st.one_of(e164_shapes, any_text))
def test_every_number_has_facts_and_a_reason_for_people(text: str) -> None:
    facts = number_facts(Number(text))
    assert isinstance(facts, NumberFacts)
    assert facts.reason.startswith(("It ", "Its ", "The "))
    assert facts.reason.endswith(".")
    assert facts.valid or facts.sms_capable is not SmsCapable.YES


# --- masking


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+14155550123", "+1…23"),
        ("+447700900123", "+44…23"),
        ("+353851234567", "+353…67"),
        ("+99912345678", "…78"),
        ("12345", "…45"),
        ("1234", "…"),
        ("", "…"),
        ("whatsapp:+14155550123", "…23"),
    ],
)
def test_a_masked_number_shows_country_and_two_digits(number: str, masked: str) -> None:
    assert mask_number(number) == masked


@given(e164_shapes)
def test_masking_hides_all_but_country_and_two_digits(number: str) -> None:
    shown = sum(character.isdigit() for character in mask_number(number))
    assert shown <= 5
    assert len(number) - 1 - shown >= 2
