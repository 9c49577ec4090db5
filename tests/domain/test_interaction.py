"""The life of an interaction, walked at random."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.domain.interaction import OPEN, STEPS, State, Step, after

states = st.sampled_from(sorted(State))
steps = st.lists(st.sampled_from(sorted(Step)), max_size=12)


def walk(state: State, taken: list[Step]) -> State:
    """A step that the table forbids is refused and leaves the state as it is."""
    for step in taken:
        state = after(state, step) or state
    return state


def test_every_step_has_a_row_and_none_leads_to_where_it_starts() -> None:
    assert set(STEPS) == set(Step)
    for row in STEPS.values():
        assert row
        assert all(before is not then for before, then in row.items())


def test_a_step_always_leads_to_one_state() -> None:
    """So the state alone tells what was done last, but for the first one."""
    assert {step: set(row.values()) for step, row in STEPS.items()} == {
        Step.ACCEPT: {State.ACTIVE},
        Step.END: {State.ENDED},
        Step.DONE: {State.DONE},
        Step.REACTIVATE: {State.ACTIVE},
        Step.RELEASE: {State.WAITING},
        Step.REQUEUE: {State.WAITING},
    }


def test_every_state_is_reached_from_waiting() -> None:
    reached = {State.WAITING}
    while more := {row[state] for row in STEPS.values() for state in reached if state in row} - reached:
        reached |= more
    assert reached == set(State)


@given(steps)
def test_done_is_done(taken: list[Step]) -> None:
    """After Done a text opens a new interaction; this one is never touched again."""
    assert walk(State.DONE, taken) is State.DONE
    assert all(after(State.DONE, step) is None for step in Step)


@given(states, steps)
def test_nothing_waits_again_unless_it_was_given_back(state: State, taken: list[Step]) -> None:
    if state is not State.WAITING and not {Step.RELEASE, Step.REQUEUE} & set(taken):
        assert walk(state, taken) is not State.WAITING


@given(states, st.sampled_from(sorted(Step)))
def test_the_same_step_twice_is_refused_the_second_time(state: State, step: Step) -> None:
    reached = after(state, step)
    if reached is not None:
        assert after(reached, step) is None


@given(states)
def test_a_message_before_done_makes_an_ended_interaction_active(state: State) -> None:
    assert after(state, Step.REACTIVATE) is (State.ACTIVE if state is State.ENDED else None)


@given(steps)
def test_only_ended_and_done_are_closed_and_done_is_reached_from_what_an_agent_had(taken: list[Step]) -> None:
    state = State.WAITING
    for step in taken:
        then = after(state, step)
        if then is State.DONE:
            assert state in {State.ACTIVE, State.ENDED}
        state = then or state
        assert (state in OPEN) == (state in {State.WAITING, State.ACTIVE})


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (State.ACTIVE, Step.ACCEPT),
        (State.ENDED, Step.ACCEPT),
        (State.ENDED, Step.END),
        (State.WAITING, Step.DONE),
        (State.ACTIVE, Step.REACTIVATE),
    ],
)
def test_what_makes_no_sense_is_refused(state: State, step: Step) -> None:
    assert after(state, step) is None
