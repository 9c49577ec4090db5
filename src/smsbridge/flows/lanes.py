"""The names of queues and lanes. A queue is a pool of workers of its own, so that one slow target holds up no other;
a lane is what must happen one after the other."""

from __future__ import annotations

from typing import Final

SEND: Final = "send"
DELIVER: Final = "deliver"
FETCH: Final = "fetch_media"
PREPARE: Final = "prepare_media"
SETTLE: Final = "settle"
CONFIRM: Final = "confirm"
UPKEEP: Final = "upkeep"
CATCH_UP: Final = "catch_up"
JOIN: Final = "join"

PREPARE_QUEUE: Final = "media"
UPKEEP_QUEUE: Final = "upkeep"
JOIN_QUEUE: Final = "join"


def media_queue(account: str) -> str:
    """What contacts send comes from their carrier's hosts, so each carrier has a queue of its own here too."""
    return f"media:{account}"


def send_queue(account: str) -> str:
    return f"{SEND}:{account}"


def sender_target(number: str) -> str:
    """What a hold on one of our senders, and its rate, are kept under: its texts lie in the queue of its account."""
    return f"sender:{number}"


def rate_of_account(account: str) -> str:
    return f"account:{account}"


def send_lane(conversation_id: str) -> str:
    """Texts from one sender to one contact leave in the order they were written. A lane names no number: rows of
    jobs and dead letters outlive the erasure of a person."""
    return f"{SEND}:{conversation_id}"


def catch_up_queue(account: str) -> str:
    return f"{CATCH_UP}:{account}"


def catch_up_lane(account: str, sender: str) -> str:
    """The list of one of our numbers is read by one daemon at a time."""
    return f"{CATCH_UP}:{account}:{sender}"


def join_lane(waiting_id: str) -> str:
    return f"{JOIN}:{waiting_id}"


def settle_lane(message_id: str) -> str:
    return f"{SETTLE}:{message_id}"


def deliver_queue(desktop: str) -> str:
    return f"{DELIVER}:{desktop}"


def deliver_lane(desktop: str, conversation_id: str) -> str:
    """A desktop is told of one conversation in the order things happened."""
    return f"{DELIVER}:{desktop}:{conversation_id}"
