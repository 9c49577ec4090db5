"""The life of a message, walked at random."""

from itertools import permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smsbridge.domain.status import FINAL, MOVES, REPORT, Move, Status, advance, of_parts

OUTBOUND = sorted(set(Status) - {Status.RECEIVED})
REPORTS = sorted(REPORT.values())
OURS = sorted(set(Move) - set(REPORTS))
PERSONAL = {Move.RETRY, Move.CANCEL}
"""What only a person does."""

statuses = st.sampled_from(OUTBOUND)
moves = st.lists(st.sampled_from(sorted(Move)), max_size=12)
reports = st.lists(st.sampled_from(REPORTS), max_size=6)


def walk(start: Status, *steps: Move) -> Status:
    for step in steps:
        start = advance(start, step)
    return start


# --- the table


def test_every_move_has_a_row_and_none_leads_to_where_it_starts() -> None:
    assert set(MOVES) == set(Move)
    for row in MOVES.values():
        assert row
        assert all(before is not after for before, after in row.items())


def test_every_outbound_status_is_reached_from_queued_and_received_never() -> None:
    reached = {Status.QUEUED}
    while more := {row[status] for row in MOVES.values() for status in reached if status in row} - reached:
        reached |= more
    assert reached == set(OUTBOUND)
    assert all(Status.RECEIVED not in {*row, *row.values()} for row in MOVES.values())


def test_a_report_leads_to_the_status_it_reports() -> None:
    for status, move in REPORT.items():
        assert set(MOVES[move].values()) == {status}


def test_nothing_of_ours_moves_a_final_message_but_a_person() -> None:
    for move in set(OURS) - PERSONAL:
        assert not FINAL & set(MOVES[move])


# --- walks


@given(statuses, st.sampled_from(sorted(Move)))
def test_a_move_that_is_not_in_the_table_changes_nothing(status: Status, move: Move) -> None:
    assert advance(status, move) is MOVES[move].get(status, status)


@given(moves)
def test_delivered_is_never_left(steps: list[Move]) -> None:
    assert walk(Status.DELIVERED, *steps) is Status.DELIVERED


@given(moves)
def test_an_inbound_message_never_moves(steps: list[Move]) -> None:
    assert walk(Status.RECEIVED, *steps) is Status.RECEIVED


@given(moves)
def test_a_cancelled_message_stays_cancelled(steps: list[Move]) -> None:
    """It never left us, so no report can be about it."""
    assert walk(Status.CANCELLED, *steps) is Status.CANCELLED


@given(statuses, st.sampled_from(sorted(Move)))
def test_the_same_move_twice_is_the_same_as_once(status: Status, move: Move) -> None:
    assert walk(status, move, move) is walk(status, move)


@given(st.sampled_from([Status.SENDING, Status.UNCERTAIN, Status.SENT]), reports)
@example(Status.SENDING, [Move.REPORT_DELIVERED, Move.REPORT_SENT])
@example(Status.SENT, [Move.REPORT_UNDELIVERED, Move.REPORT_DELIVERED])
def test_delivered_wins_whenever_it_comes(status: Status, told: list[Move]) -> None:
    """Reports come late, twice and in any order: once `delivered` is among them, delivered is what it is."""
    ends = {walk(status, *order) for order in permutations(told)} if len(told) < 6 else {walk(status, *told)}
    if Move.REPORT_DELIVERED in told:
        assert ends == {Status.DELIVERED}


@given(st.sampled_from([Status.SENDING, Status.UNCERTAIN, Status.SENT]), st.permutations(REPORTS), st.data())
def test_the_order_of_reports_matters_only_between_two_failures(
    status: Status, order: list[Move], data: st.DataObject
) -> None:
    """`sent` and one verdict: whichever comes first, the verdict stands, and repeats of either change nothing."""
    verdict = data.draw(st.sampled_from([Move.REPORT_DELIVERED, Move.REPORT_UNDELIVERED, Move.REPORT_FAILED]))
    told = [move for move in order if move in {Move.REPORT_SENT, verdict}]
    repeats = data.draw(st.lists(st.sampled_from(told), max_size=4))
    assert REPORT[walk(status, *told, *repeats)] is verdict


@given(statuses, reports)
def test_reports_never_bring_a_message_back_to_before_it_was_sent(status: Status, told: list[Move]) -> None:
    before = {Status.QUEUED, Status.SENDING, Status.UNCERTAIN}
    assert status in before or walk(status, *told) not in before


@given(statuses, reports)
def test_a_failure_is_undone_only_by_delivery(status: Status, told: list[Move]) -> None:
    if status in {Status.UNDELIVERED, Status.FAILED}:
        assert walk(status, *told) in {status, Status.DELIVERED}


@given(moves)
def test_what_may_have_left_is_not_queued_again_unless_somebody_knows_or_decides(steps: list[Move]) -> None:
    """From uncertain only a person (RETRY) or the carrier's own "never seen it" (RESEND) leads back to the queue."""
    status = Status.UNCERTAIN
    for step in steps:
        after = advance(status, step)
        if status is Status.UNCERTAIN and after is Status.QUEUED:
            assert step in {Move.RETRY, Move.RESEND}
        status = after


@given(moves)
def test_only_what_is_queued_can_be_taken_back(steps: list[Move]) -> None:
    status = Status.QUEUED
    for step in steps:
        after = advance(status, step)
        if after is Status.CANCELLED and status is not Status.CANCELLED:
            assert (status, step) == (Status.QUEUED, Move.CANCEL)
        status = after


# --- several parts


@given(statuses, st.integers(1, 10))
def test_parts_that_agree_are_the_message(status: Status, count: int) -> None:
    assert of_parts([status] * count) is status


@given(st.lists(statuses, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_and_number_of_parts_do_not_matter(parts: list[Status], random: object) -> None:
    shuffled = [*parts, *parts]
    random.shuffle(shuffled)
    assert of_parts(shuffled) is of_parts(parts)


@given(st.lists(statuses, min_size=1, max_size=8))
def test_delivered_takes_every_part_and_the_worst_that_is_final_shows(parts: list[Status]) -> None:
    shown = of_parts(parts)
    assert (shown is Status.DELIVERED) == (set(parts) == {Status.DELIVERED})
    for bad in (Status.FAILED, Status.UNDELIVERED, Status.UNCERTAIN, Status.CANCELLED):
        if bad in parts:
            assert shown is bad
            break
    else:
        assert shown in {Status.QUEUED, Status.SENDING, Status.SENT, Status.DELIVERED}


@given(st.lists(statuses, min_size=1, max_size=6), st.data())
def test_one_more_delivered_part_never_makes_a_message_look_worse(parts: list[Status], data: st.DataObject) -> None:
    good = [Status.QUEUED, Status.SENDING, Status.SENT, Status.DELIVERED]
    index = data.draw(st.integers(0, len(parts) - 1))
    before = of_parts(parts)
    after = of_parts([*parts[:index], Status.DELIVERED, *parts[index + 1 :]])
    if before in good:
        assert good.index(after) >= good.index(before)


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ([Status.SENT, Status.QUEUED], Status.SENDING),
        ([Status.SENT, Status.SENDING], Status.SENDING),
        ([Status.DELIVERED, Status.SENT], Status.SENT),
        ([Status.DELIVERED, Status.QUEUED], Status.SENDING),
        ([Status.DELIVERED, Status.FAILED], Status.FAILED),
        ([Status.DELIVERED, Status.UNDELIVERED, Status.QUEUED], Status.UNDELIVERED),
        ([Status.SENT, Status.UNCERTAIN, Status.QUEUED], Status.UNCERTAIN),
        ([Status.CANCELLED, Status.UNCERTAIN], Status.UNCERTAIN),
    ],
)
def test_a_text_of_several_parts_shows(parts: list[Status], shown: Status) -> None:
    assert of_parts(parts) is shown
