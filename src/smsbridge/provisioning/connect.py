"""Pointing a real number at this bridge, step by step, and giving it back.

Each step is yielded as it ends, to be printed; the first that fails is the last. Nothing is guessed: a webhook that
belongs to somebody else is shown and left alone, and what was there before is on disk before it is overwritten.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import httpx

from smsbridge.contracts.clock import Clock
from smsbridge.domain.status import Status
from smsbridge.provisioning.check import Check
from smsbridge.provisioning.control import Control, ControlFailed, NumberWebhook, OwnedNumber, WebhookTaken
from smsbridge.provisioning.reach import check_public_url, probe

TEST_TEXT: Final = "This number is connected to smsbridge. Reply to see your text on the desk."
TEST_WAIT_S: Final = 60.0
TEST_ASK_EVERY_S: Final = 2.0
MEMORY_FILE: Final = "webhooks_before_connect.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is to be connected. `webhook_url` is the account's, made from `public_url`.

    Without `number` the account has to have exactly one that takes texts, or `choose` is asked. `force` overwrites a
    webhook that is somebody else's and goes on when the public address could not be proven from here.
    """

    account: str
    public_url: str
    webhook_url: str
    link_key: bytes = field(repr=False)
    nonce: str
    number: str = ""
    test_to: str = ""
    force: bool = False
    dry_run: bool = False


async def connect(
    control: Control,
    wish: Wish,
    past: PastWebhooks,
    *,
    http: httpx.AsyncClient,
    clock: Clock,
    choose: Callable[[Sequence[OwnedNumber]], OwnedNumber] | None = None,
) -> AsyncIterator[Check]:
    step = "credentials"
    try:
        account = await control.prove_credentials()
        kind = "a trial account: it texts only numbers that were verified in the console" if account.trial else "live"
        if not account.active:
            yield Check(
                name=step, verdict="fail", detail=f"{account.id} is suspended or closed", cure="see the console"
            )
            return
        yield Check(name=step, verdict="warn" if account.trial else "ok", detail=f"{account.id} {account.name}, {kind}")

        step = "numbers"
        numbers = await control.list_numbers()
        number = _chosen(numbers, wish.number, choose)
        if isinstance(number, Check):
            yield number
            return
        yield Check(name=step, verdict="ok", detail=f"{_shown(number)}; one of {len(numbers)} of the account")

        step = "public_url"
        reached = check_public_url(wish.public_url)
        if reached.verdict == "ok":
            reached = await probe(http, wish.public_url, key=wish.link_key, nonce=wish.nonce)
        yield reached
        if reached.verdict == "fail" and not wish.force:
            return

        step = "webhook"
        yield await _point(control, number, wish, past)

        step = "test"
        async for check in _try_out(control, number, wish, clock):
            yield check
    except ControlFailed as error:
        yield Check(name=step, verdict="fail", detail=str(error), cure=error.cure)
    except WebhookTaken as taken:
        detail = f"{taken}; not overwritten. It would become POST {wish.webhook_url}"
        cure = "add --force to overwrite it; `smsbridge disconnect` puts the old one back"
        yield Check(name=step, verdict="fail", detail=detail, cure=cure)


async def disconnect(
    control: Control, account: str, webhook_url: str, past: PastWebhooks, *, force: bool = False
) -> AsyncIterator[Check]:
    """Puts back what `connect` found, for every number of the account that it changed."""
    step = "webhook"
    try:
        remembered = past.read(account)
        if not remembered:
            yield Check(name=step, verdict="warn", detail=f"no number of {account} was connected from here")
            return
        step = "numbers"
        owned = {number.number: number for number in await control.list_numbers()}
    except ControlFailed as error:
        yield Check(name=step, verdict="fail", detail=str(error), cure=error.cure)
        return
    for name, webhook in remembered.items():
        step = f"webhook: {name}"
        if name not in owned:
            past.forget(account, name)
            yield Check(name=step, verdict="warn", detail="the account has this number no more; forgotten")
            continue
        try:
            await control.restore_webhook(owned[name], webhook, ours=webhook_url, force=force)
        except WebhookTaken as taken:
            cure = f"add --force to put back {webhook.shown}"
            yield Check(name=step, verdict="fail", detail=f"changed since: {taken}; left as it is", cure=cure)
        except ControlFailed as error:
            yield Check(name=step, verdict="fail", detail=str(error), cure=error.cure)
        else:
            past.forget(account, name)
            yield Check(name=step, verdict="ok", detail=f"restored: texts go to {webhook.shown}")


class PastWebhooks:
    """What numbers were pointed at before they were connected, in a file beside the store."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / MEMORY_FILE

    def read(self, account: str) -> Mapping[str, NumberWebhook]:
        """By number. Raises ControlFailed for a file that was changed by hand into something else."""
        return {number: NumberWebhook(**webhook) for number, webhook in self._load().get(account, {}).items()}

    def remember(self, account: str, number: str, webhook: NumberWebhook) -> None:
        """On disk once this returns."""
        kept = self._load()
        self._save({**kept, account: {**kept.get(account, {}), number: asdict(webhook)}})

    def forget(self, account: str, number: str) -> None:
        kept = self._load()
        left = {name: webhook for name, webhook in kept.get(account, {}).items() if name != number}
        self._save({**{name: numbers for name, numbers in kept.items() if name != account}, account: left})

    def _load(self) -> dict[str, dict[str, dict[str, str]]]:
        try:
            kept = json.loads(self._file.read_text("utf-8"))
            for numbers in kept.values():
                for webhook in numbers.values():
                    NumberWebhook(**webhook)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            cure = "mend the file from a backup, or remove it and restore the webhooks in the carrier's console"
            raise ControlFailed(f"{self._file} cannot be read: {type(error).__name__}", cure=cure) from error
        return dict(kept)

    def _save(self, kept: Mapping[str, object]) -> None:
        """The old file or the new one, never half of it: after a crash this is all that knows the old webhooks."""
        scratch = self._file.with_suffix(".new")
        try:
            with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(kept, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self._file)
            folder = os.open(self._file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            cure = "the old webhook has to be on disk first: make data_dir writable, with space left"
            raise ControlFailed(f"{self._file} cannot be written: {error.strerror}", cure=cure) from error


def _chosen(
    numbers: Sequence[OwnedNumber], wanted: str, choose: Callable[[Sequence[OwnedNumber]], OwnedNumber] | None
) -> OwnedNumber | Check:
    able = [number for number in numbers if number.sms]
    listed = "; ".join(_shown(number) for number in numbers) or "none"
    if wanted:
        found = next((number for number in numbers if number.number == wanted), None)
        if found is None:
            detail = f"{wanted} is no number of this account. It has: {listed}"
            return Check(name="numbers", verdict="fail", detail=detail, cure="name one of these with --number")
        if not found.sms:
            detail = f"{wanted} cannot send or receive SMS. The account has: {listed}"
            return Check(name="numbers", verdict="fail", detail=detail, cure="name or buy one that can")
        return found
    if not able:
        detail = f"no number of this account takes SMS. It has: {listed}"
        return Check(name="numbers", verdict="fail", detail=detail, cure="buy one in the carrier's console")
    if len(able) == 1:
        return able[0]
    if choose is not None:
        return choose(able)
    return Check(name="numbers", verdict="fail", detail=f"which one? {listed}", cure="name it with --number")


def _shown(number: OwnedNumber) -> str:
    able = ", ".join(word for word, has in (("SMS", number.sms), ("MMS", number.mms)) if has) or "no SMS"
    return f"{number.number} ({able}), texts go to {number.webhook.shown}"


async def _point(control: Control, number: OwnedNumber, wish: Wish, past: PastWebhooks) -> Check:
    name, url = "webhook", wish.webhook_url
    if wish.dry_run:
        there = number.webhook.is_at(url)
        detail = f"is already POST {url}" if there else f"would become POST {url}; now: {number.webhook.shown}"
        return Check(name=name, verdict="ok", detail=detail)

    def keep(webhook: NumberWebhook) -> None:
        past.remember(wish.account, number.number, webhook)

    before = await control.set_webhook(number, url, force=wish.force, keep=keep)
    if before.is_at(url):
        return Check(name=name, verdict="ok", detail=f"was already POST {url}")
    return Check(name=name, verdict="ok", detail=f"is now POST {url}; before: {before.shown}")


async def _try_out(control: Control, number: OwnedNumber, wish: Wish, clock: Clock) -> AsyncIterator[Check]:
    if wish.dry_run:
        yield Check(name="done", verdict="ok", detail="dry run: nothing was changed and nothing was sent")
        return
    if wish.test_to:
        yield await _send_test(control, number.number, wish.test_to, clock)
    detail = f"text {number.number} from any phone: it appears on the desk"
    yield Check(name="done", verdict="ok", detail=detail)


async def _send_test(control: Control, sender: str, to: str, clock: Clock) -> Check:
    text = await control.send_test(sender=sender, to=to, text=TEST_TEXT)
    until_ms = clock.monotonic_ms() + int(TEST_WAIT_S * 1000)
    while text.status is Status.SENT and clock.monotonic_ms() < until_ms:
        await clock.sleep(TEST_ASK_EVERY_S)
        text = await control.read_test(text.id)
    match text.status:
        case Status.DELIVERED:
            return Check(name="test", verdict="ok", detail=f"a text to {to} was delivered")
        case Status.SENT:
            detail = f"a text to {to} was taken by the carrier; no word of its delivery in {TEST_WAIT_S:.0f} s"
            return Check(
                name="test", verdict="warn", detail=detail, cure="look at the phone; not every network reports"
            )
        case _:
            detail = f"a text to {to} was not delivered: {text.problem or text.status.value}"
            return Check(name="test", verdict="fail", detail=detail, cure="see docs/carriers/twilio.md for the code")
