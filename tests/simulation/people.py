"""What people do, and what goes wrong: each a function of the world, picked and timed by the seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from smsbridge.contracts.store import MessageFilter, StoreUnavailable, Tx
from smsbridge.domain.errors import Refused
from smsbridge.flows import outbound

from .network import CROWDED, DOWN, LOCKED, Trouble

if TYPE_CHECKING:
    from .world import World

CONTACTS: Final = ("+14155550142", "+14155550143", "+14155550144")


def a_contact_texts(world: World) -> None:
    sender, to = world.random.choice(CONTACTS), world.random.choice(tuple(world.configuration["senders"]))
    number = len(world.carrier.texts) + 1
    word = world.random.choice((*[f"text {number}"] * 12, "STOP", "START"))
    world.carrier.bring(sender, to, word)


def an_agent_replies(world: World) -> None:
    """Into an interaction that the desktop has heard of, or to a number."""
    number = len(world.desktop.written) + 1
    text = f"reply {number}" + " and so on" * world.random.choice((0, 0, 0, 200))
    heard = world.desktop.heard("message.received")
    if heard and world.random.random() < 0.7:
        to = {"interaction_id": world.random.choice(heard)["interaction_id"]}
    else:
        to = {"to": world.random.choice(CONTACTS), "from": world.random.choice(tuple(world.configuration["senders"]))}
    world.desktop.write("message.send", {"text": text, "agent": "ann", **to})


def an_agent_ends_it(world: World) -> None:
    heard = world.desktop.heard("interaction.opened")
    if heard:
        what = world.random.choice(("interaction.accept", "interaction.end", "interaction.done"))
        world.desktop.write(what, {"interaction_id": world.random.choice(heard)["id"], "agent": "ann"})


def an_agent_tries_again(world: World) -> None:
    failed = [notice for notice in world.desktop.heard("notice.raised") if notice["message_id"]]
    if failed:
        message_id = world.random.choice(failed)["message_id"]
        world.counts[f"retry {message_id}"] += 1
        _ask(world, f"retry {message_id}", lambda bridge: lambda tx: outbound.retry(tx, bridge, message_id))


def an_agent_takes_it_back(world: World) -> None:
    sent = [data["client_reference"] for data in world.desktop.written.values() if "client_reference" in data]
    if sent:
        reference = world.random.choice(sent)

        def cancel(bridge: Any) -> Callable[[Tx], Any]:
            def work(tx: Tx) -> None:
                for message in tx.list_messages(MessageFilter(client_reference=reference)):
                    outbound.cancel(tx, bridge, message.id)

            return work

        _ask(world, f"cancel {reference}", cancel)


def _ask(world: World, what: str, work: Callable[[Any], Callable[[Tx], Any]]) -> None:
    """Over the API, once."""
    listening = [each for each in world.processes.values() if each.is_listening]
    if not listening:
        return
    process = world.random.choice(listening)

    async def ask() -> None:
        try:
            await process.store.write(work(process.bridge))
            answer = "yes"
        except Refused as refused:
            answer = str(refused)
        except StoreUnavailable:
            answer = "503"
        world.tell("agent", f"asks to {what}: {answer}")

    process.spawn(ask(), what)


PEOPLE: Final = (
    *[a_contact_texts] * 5,
    *[an_agent_replies] * 5,
    an_agent_ends_it,
    an_agent_tries_again,
    an_agent_takes_it_back,
)


class Nemesis:
    """Who makes it hard. Processes also die by themselves, at a point that was drawn when they started."""

    @staticmethod
    def kills(world: World) -> None:
        if world.processes:
            world.crash(world.random.choice(list(world.processes.values())), "is killed from outside")

    @staticmethod
    def cuts_the_power(world: World) -> None:
        if world.processes:
            world.lose_power()

    @staticmethod
    def freezes(world: World) -> None:
        """SIGSTOP: it holds what it has claimed, and believes it still does when it wakes."""
        if world.processes:
            _freeze(world, world.random.choice(list(world.processes.values())))

    @staticmethod
    def freezes_at_work(world: World) -> None:
        """In the middle of its next job: while it sleeps another may take that over, and do it."""
        if world.processes:
            process = world.random.choice(list(world.processes.values()))
            process.on_next_job = lambda: _freeze(world, process)

    @staticmethod
    def restarts(world: World) -> None:
        """A deployment: SIGTERM, and a new one when it has ended."""
        if world.processes:
            process = world.random.choice(list(world.processes.values()))
            world.tell(process.name, "is asked to stop")
            process.stop()
            world.later(31.0, lambda: _insist(world, process))

    @staticmethod
    def breaks_the_carrier(world: World) -> None:
        _trouble(world, "carrier", DOWN, "breaks the carrier")

    @staticmethod
    def crowds_the_carrier(world: World) -> None:
        """Too many requests, for a while, and the time to wait with each no."""
        _trouble(world, "carrier", CROWDED, "crowds the carrier")

    @staticmethod
    def breaks_the_desktop(world: World) -> None:
        _trouble(world, "desktop", DOWN, "breaks the desktop")

    @staticmethod
    def changes_the_desktops_key(world: World) -> None:
        """It refuses everything, until somebody notices."""
        _trouble(world, "desktop", LOCKED, "changes the desktop's key")

    @staticmethod
    def fills_the_disk(world: World) -> None:
        world.tell("nemesis", "fills the disk")
        world.disk_is_full = True
        for process in world.processes.values():
            process.doubted_s = world.now_s + 30.0  # it cannot say that it lives
        world.later(world.random.choice((0.1, 10.0)), lambda: setattr(world, "disk_is_full", False))

    DEEDS: Final = (
        kills,
        cuts_the_power,
        freezes,
        freezes_at_work,
        restarts,
        breaks_the_carrier,
        crowds_the_carrier,
        breaks_the_desktop,
        changes_the_desktops_key,
        fills_the_disk,
    )


def _trouble(world: World, name: str, trouble: Trouble, deed: str) -> None:
    world.tell("nemesis", deed)
    world.down[name] = trouble
    world.later(world.random.choice((3.0, 60.0, 300.0)), lambda: world.down.pop(name, None))


def _freeze(world: World, process: Any) -> None:
    process.is_frozen = True
    process.doubted_s = world.now_s
    world.tell("nemesis", f"freezes {process.name}")
    taken_over_s = world.random.uniform(12.0, 40.0)  # it wakes while another does its work, or soon before or after
    world.later(world.random.choice((5.0, taken_over_s, taken_over_s, 130.0)), lambda: _thaw(world, process))


def _thaw(world: World, process: Any) -> None:
    process.is_frozen = False
    world.tell("nemesis", f"lets {process.name} go on")


def _insist(world: World, process: Any) -> None:
    if world.processes.get(process.name) is process:
        world.crash(process, "does not stop, and is killed")
