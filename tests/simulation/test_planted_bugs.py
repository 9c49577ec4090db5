"""The simulation notices: nine bugs, each put in on purpose, and each found within a bounded number of seeds.

These are the mistakes that bridges like this one are known to make. A harness that does not find them would say
nothing by finding none.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

import pytest

from simulation import invariants, world
from simulation.invariants import Broken
from simulation.people import Nemesis
from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.jobs import Buried, Job
from smsbridge.contracts.store import Tx
from smsbridge.desktops.webhook import WebhookDesktop
from smsbridge.domain.cause import Cause
from smsbridge.domain.outcome import DeliveryOutcome, Evidence, Rejected, RetryLater
from smsbridge.domain.status import REPORT, Move, Status
from smsbridge.flows import desktop, receipts, sending
from smsbridge.store import sqlite
from smsbridge.store.sqlite import SqliteStore
from smsbridge.store.tx import SqlTx
from smsbridge.wire.http import MaybeSent, Response

MOST_SEEDS: Final = 800
Patch = pytest.MonkeyPatch


def acknowledges_before_the_commit(patch: Patch) -> None:
    run_one = SqliteStore._run_one

    def run_and_tell(self: Any, work: Any, tx: Any, result: Any) -> None:
        run_one(self, work, tx, result)
        result.tell()

    patch.setattr(SqliteStore, "_run_one", run_and_tell)


def does_not_wait_for_the_disk(patch: Patch) -> None:
    set_up = sqlite._set_up

    def set_up_lightly(connection: sqlite3.Connection) -> None:
        set_up(connection)
        connection.execute("PRAGMA synchronous = NORMAL")

    patch.setattr(sqlite, "_set_up", set_up_lightly)


def does_not_look_at_the_token(patch: Patch) -> None:
    """Two processes, of which one was frozen and wakes up: only the token tells it that it is too late."""
    patch.setattr(world, "HOW_MANY", (2,))
    patch.setattr(Nemesis, "DEEDS", (Nemesis.freezes_at_work,))

    def close_job(self: Any, job: Job) -> bool:
        self._rows.run("delete_job", {"id": job.id})
        self._advance_lane(job.lane)
        return True

    patch.setattr(SqlTx, "_holds", lambda _tx, _job: True)
    patch.setattr(SqlTx, "close_job", close_job)


def sends_again_what_is_uncertain(patch: Patch) -> None:
    read_outcome = sending.read_outcome

    def read_boldly(account: Any, performed: Any) -> Any:
        if isinstance(performed, MaybeSent):
            return RetryLater(cause=Cause.CARRIER_OUTAGE)
        return read_outcome(account, performed)

    patch.setattr(sending, "read_outcome", read_boldly)


def gives_the_second_account_what_the_first_may_have(patch: Patch) -> None:
    patch.setattr(world, "TWO_ACCOUNTS", 1.0)
    sends_again_what_is_uncertain(patch)


def believes_the_last_receipt(patch: Patch) -> None:
    said = {move: status for status, move in REPORT.items()}

    def advance(_current: Status, move: Move) -> Status:
        return said[move]

    patch.setattr(receipts, "advance", advance)


def checks_and_then_inserts(patch: Patch) -> None:
    """The check sees what is committed, as one in another transaction would; and no index says no."""

    def has_inbound(self: Any, account: str, carrier_message_id: str) -> bool:
        path = self._rows._connection.execute("PRAGMA database_list").fetchone()[2]
        question = "SELECT 1 FROM messages WHERE direction = 'inbound' AND account = ? AND carrier_message_id = ?"
        with closing(sqlite3.connect(path)) as other:
            return other.execute(question, (account, carrier_message_id)).fetchone() is not None

    patch.setattr(SqlTx, "has_inbound", has_inbound)
    patch.setattr(invariants.Witness, "SCHEMA", f"{invariants.Witness.SCHEMA} DROP INDEX messages_inbound_once;")
    patch.setattr(world, "empty_database", world.empty_database.__wrapped__)


def raises_the_notice_in_a_transaction_of_its_own(patch: Patch) -> None:
    raise_notice = receipts.raise_notice

    def raise_soon(_tx: Tx, bridge: Bridge, *what: Any, **more: Any) -> None:
        soon = bridge.store.write(lambda tx: raise_notice(tx, bridge, *what, **more))
        asyncio.get_running_loop().create_task(soon)

    patch.setattr(receipts, "raise_notice", raise_soon)


def buries_what_met_a_wrong_password(patch: Patch) -> None:
    read_delivery = WebhookDesktop.read_delivery

    def read_finally(self: WebhookDesktop, response: Response) -> DeliveryOutcome:
        if response.status == 401:
            return Rejected(cause=Cause.AUTH, evidence=Evidence(code="401", http_status=401))
        return read_delivery(self, response)

    async def bury(*_args: Any) -> Buried:
        return Buried(reason="401")

    patch.setattr(WebhookDesktop, "read_delivery", read_finally)
    patch.setattr(desktop, "_refused", bury)


BUGS: Final[tuple[tuple[Callable[[Patch], None], set[str]], ...]] = (
    (acknowledges_before_the_commit, {"what was acknowledged is there"}),
    (does_not_wait_for_the_disk, {"what was acknowledged is there"}),
    (does_not_look_at_the_token, {"a lane runs one job at a time", "a part is sending only while its job runs"}),
    (sends_again_what_is_uncertain, {"no text is sent twice", "one carrier has a text, and no other"}),
    (gives_the_second_account_what_the_first_may_have, {"one carrier has a text, and no other"}),
    (believes_the_last_receipt, {"a status moves along the table"}),
    (checks_and_then_inserts, {"one text of a carrier is one message"}),
    (raises_the_notice_in_a_transaction_of_its_own, {"a failure is told in the commit that makes it one"}),
    (buries_what_met_a_wrong_password, {"nothing was given up"}),
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("plant", "promises"), BUGS, ids=[plant.__name__ for plant, _ in BUGS])
def test_a_planted_bug_is_noticed(plant: Callable[[Patch], None], promises: set[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        found = next(filter(None, map(_broken_by, range(MOST_SEEDS))), None)
    assert found is not None, f"not noticed in {MOST_SEEDS} worlds"
    print(f"seed {found.world.seed}: {found.promise}")
    assert found.promise in promises


def _broken_by(seed: int) -> Broken | None:
    try:
        world.run_seed(seed)
    except Broken as broken:
        return broken
    return None
