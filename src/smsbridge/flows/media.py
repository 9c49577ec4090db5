"""Attachments: fetching what contacts send, preparing what agents send. The bytes decide what a file is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smsbridge.contracts.bridge import Account, Bridge
from smsbridge.contracts.disk import Room
from smsbridge.contracts.jobs import Done, Job, JobEnd, Later
from smsbridge.contracts.network import Fetched, FetchFailed, ImagingUnavailable
from smsbridge.contracts.store import Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import FieldError, Invalid, Unavailable
from smsbridge.domain.events import InboundMedia
from smsbridge.domain.journal import EventType
from smsbridge.domain.media import SNIFF_BYTES, TAKEN_TYPES, is_picture, safe_filename, sniff_type
from smsbridge.domain.message import (
    Attachment,
    AttachmentId,
    AttachmentProblem,
    AttachmentState,
    Direction,
    Message,
    NoticeKind,
)
from smsbridge.domain.retry import next_due_ms
from smsbridge.domain.status import FINAL, Status
from smsbridge.flows import lanes
from smsbridge.flows.journal import tell_of_message
from smsbridge.flows.notices import attachment_notice_key, raise_notice
from smsbridge.flows.rerouting import leave_open_circuit
from smsbridge.wire.http import NO_HEADERS, Fetch, Request


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetching:
    """One inbound attachment on its way in. `seq` is the event that the desktop is told when it is here."""

    job: Job
    attachment: Attachment
    message: Message
    account: Account
    seq: str


def begin_fetch(bridge: Bridge) -> Callable[[Tx, Job], Fetching | JobEnd]:
    def begin(tx: Tx, job: Job) -> Fetching | JobEnd:
        attachment_id, _, seq = job.ref.partition(":")
        attachment = tx.attachment(attachment_id)
        message = tx.message(attachment.message_id or "") if attachment else None
        account = bridge.accounts.get(message.account) if message else None
        if attachment is None or message is None or attachment.state is not AttachmentState.PENDING:
            return Done(facts={"outcome": "nothing_to_fetch"})
        if account is None:
            _reject(tx, bridge, attachment, message, seq, AttachmentProblem.MISSING, "the account is gone")
            return Done(facts={"outcome": "no_account"})
        if bridge.disk.media_room < Room.AMPLE:
            due_at_ms = _after_stall(bridge, job)
            if due_at_ms is None:
                _reject(tx, bridge, attachment, message, seq, AttachmentProblem.MISSING, _NO_ROOM)
                return Done(facts={"outcome": "rejected", "reason": _NO_ROOM})
            return Later(due_at_ms=due_at_ms, facts={"outcome": "stalled", "reason": _NO_ROOM})
        return Fetching(job=job, attachment=attachment, message=message, account=account, seq=seq)

    return begin


async def fetch(bridge: Bridge, fetching: Fetching) -> JobEnd:
    attachment = fetching.attachment
    media = InboundMedia(
        url=attachment.source_url,
        content_type=attachment.content_type,
        filename=attachment.filename,
        at_ms=bridge.now_ms(),
    )
    try:
        order = fetching.account.adapter.write_media_fetch(media)
    except ValueError as error:
        return _rejected(bridge, fetching, AttachmentProblem.MISSING, str(error))
    scratch = bridge.blobs.scratch()
    try:
        got = await bridge.network.fetch(
            replace(order, max_bytes=min(order.max_bytes, bridge.policy.media_max_bytes)), scratch
        )
    except OSError as error:
        return _fetch_stalled(bridge, fetching, error)
    bridge.meter.count(
        "carrier_requests_total",
        carrier=fetching.account.name,
        operation="media",
        outcome="accepted" if isinstance(got, Fetched) else "rejected",
    )
    if isinstance(got, FetchFailed):
        return _fetch_failed(bridge, fetching, got)
    bridge.meter.count("media_bytes_total", got.size_bytes, direction="inbound", outcome="stored")
    try:
        stored = await _keep(bridge, attachment, scratch, got)
    except (ImagingUnavailable, OSError) as error:
        return _fetch_stalled(bridge, fetching, error)
    if isinstance(stored, AttachmentProblem):
        return _rejected(bridge, fetching, stored, "judged by its bytes")
    return Done(
        write=lambda tx: _settle(tx, bridge, stored, fetching.seq),
        facts={"attachment_id": attachment.id, "outcome": "stored", "bytes": got.size_bytes},
    )


def give_up_fetch(tx: Tx, bridge: Bridge, job: Job) -> None:
    attachment_id, _, seq = job.ref.partition(":")
    attachment = tx.attachment(attachment_id)
    message = tx.message(attachment.message_id or "") if attachment else None
    if attachment is not None and message is not None and attachment.state is AttachmentState.PENDING:
        _reject(tx, bridge, attachment, message, seq, AttachmentProblem.UNREADABLE, "an error of the bridge")


def _fetch_stalled(bridge: Bridge, fetching: Fetching, error: ImagingUnavailable | OSError) -> JobEnd:
    """Our own trouble: no decoder, or no room on the disk. It says nothing about the picture, which waits; but not for
    longer than for a carrier that does not give it out."""
    reason, due_at_ms = _reason_of(error), _after_stall(bridge, fetching.job)
    if due_at_ms is None:
        return _rejected(bridge, fetching, AttachmentProblem.MISSING, reason)
    return Later(due_at_ms=due_at_ms, facts={"outcome": "stalled", "reason": reason})


def _after_stall(bridge: Bridge, job: Job) -> int | None:
    """When it is worth another look; None: it has been tried for as long as any picture is."""
    now_ms = bridge.now_ms()
    due_at_ms = next_due_ms(bridge.policy.media_retry, job.attempt, now_ms, job.created_at_ms, bridge.ids.random())
    return None if due_at_ms is None else min(due_at_ms, now_ms + _LONGEST_STALL_MS)


def _reason_of(error: ImagingUnavailable | OSError) -> str:
    """An OSError's own text holds a path."""
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)


def _fetch_failed(bridge: Bridge, fetching: Fetching, failed: FetchFailed) -> JobEnd:
    facts = {"attachment_id": fetching.attachment.id, "outcome": "not_fetched", "reason": failed.reason}
    if failed.too_large:
        return _rejected(bridge, fetching, AttachmentProblem.TOO_LARGE, failed.reason)
    due_at_ms = next_due_ms(
        bridge.policy.media_retry,
        fetching.job.attempt,
        bridge.now_ms(),
        fetching.job.created_at_ms,
        bridge.ids.random(),
        failed.after_s,
    )
    gone = failed.status in _GONE and fetching.job.attempt >= _TRIES_WHEN_GONE
    if failed.permanent or gone or due_at_ms is None:
        return _rejected(bridge, fetching, AttachmentProblem.MISSING, failed.reason)
    return Later(due_at_ms=due_at_ms, facts=facts)


def _rejected(bridge: Bridge, fetching: Fetching, problem: AttachmentProblem, reason: str) -> JobEnd:
    bridge.meter.count("media_rejected_total", reason=problem)
    return Done(
        write=lambda tx: _reject(tx, bridge, fetching.attachment, fetching.message, fetching.seq, problem, reason),
        facts={"attachment_id": fetching.attachment.id, "outcome": "rejected", "reason": problem},
    )


def _reject(
    tx: Tx,
    bridge: Bridge,
    attachment: Attachment,
    message: Message,
    seq: str,
    problem: AttachmentProblem,
    reason: str,
) -> None:
    rejected = replace(attachment, state=AttachmentState.REJECTED, problem=problem)
    _settle(tx, bridge, rejected, seq)
    interaction = tx.interaction(message.interaction_id)
    if interaction is None or tx.attachment(attachment.id) is None:  # erased meanwhile: nobody can send it again
        return
    raise_notice(
        tx,
        bridge,
        NoticeKind.ATTACHMENT_PROBLEM,
        Cause.MEDIA_REJECTED,
        interaction,
        key=attachment_notice_key(rejected),
        message=message,
        attachment=rejected,
        reason=reason,
    )


def _settle(tx: Tx, bridge: Bridge, attachment: Attachment, seq: str) -> None:
    """The attachment is here, or never will be. The last one of a held message lets it go on its way."""
    _save(tx, bridge, attachment)
    message = tx.message(attachment.message_id or "")
    if message is None:
        return
    waiting = any(each.state is AttachmentState.PENDING for each in tx.attachments(message.id))
    interaction = tx.interaction(message.interaction_id)
    desktop = interaction.desktop if interaction else ""
    if message.held_for_media and not waiting:
        tx.update_message(replace(message, held_for_media=False))
        tx.expedite(lanes.deliver_lane(desktop, message.conversation_id), f"{desktop}:{seq}", bridge.now_ms())
    tell_of_message(tx, bridge, EventType.MESSAGE_UPDATED, message, desktop, desktop_waits=message.held_for_media)


def _save(tx: Tx, bridge: Bridge, attachment: Attachment) -> bool:
    """False when the person was erased meanwhile: then its bytes go with the next upkeep."""
    if tx.attachment(attachment.id) is not None:
        tx.update_attachment(attachment)
        return True
    _abandon(tx, bridge, attachment)
    return False


def _abandon(tx: Tx, bridge: Bridge, attachment: Attachment, *, at_ms: int = 0) -> None:
    """Its bytes are kept and no message has them: they go as an upload does that no message took since `at_ms`."""
    if attachment.sha256:
        tx.insert_attachment(
            Attachment(
                id=AttachmentId(bridge.ids.new("att_")),
                direction=attachment.direction,
                state=AttachmentState.STORED,
                sha256=attachment.sha256,
                thumbnail_sha256=attachment.thumbnail_sha256,
                created_at_ms=at_ms,
            )
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparing:
    """An outbound message whose attachments are not ready to be published."""

    job: Job
    message: Message
    attachments: tuple[Attachment, ...]
    account: Account


def begin_prepare(bridge: Bridge) -> Callable[[Tx, Job], Preparing | JobEnd]:
    def begin(tx: Tx, job: Job) -> Preparing | JobEnd:
        message = tx.message(job.ref)
        account = bridge.accounts.get(message.account) if message else None
        if message is None or account is None or not message.held_for_media or message.status in FINAL:
            return Done(facts={"outcome": "nothing_to_prepare"})
        return Preparing(job=job, message=message, attachments=tuple(tx.attachments(message.id)), account=account)

    return begin


async def prepare(bridge: Bridge, preparing: Preparing) -> JobEnd:
    """Fetches what was given by address, then scales pictures down until the carrier's limit holds for all together."""
    ready: list[Attachment] = []
    try:
        end = await _prepare(bridge, preparing, ready)
    except (ImagingUnavailable, OSError) as error:
        reason, due_at_ms = _reason_of(error), _after_stall(bridge, preparing.job)
        if due_at_ms is None:
            at_fault = (*preparing.attachments[len(ready) :], *ready)[0]
            end = _not_prepared(bridge, preparing, at_fault, AttachmentProblem.UNREADABLE, reason)
        else:
            end = Later(due_at_ms=due_at_ms, facts={"outcome": "stalled", "reason": reason})
    return _saving(end, bridge, ready)


def _saving(end: JobEnd, bridge: Bridge, ready: Sequence[Attachment]) -> JobEnd:
    """The same end, which also writes down what is here by now: it is fetched once, and is erased with the person.

    Bytes that no row knows yet go with somebody's who is erased meanwhile and had the same: they are fetched anew.
    """
    here = [each for each in ready if bridge.blobs.path(each.sha256) is not None]
    if len(here) < len(ready):
        end = Later(due_at_ms=bridge.now_ms(), facts={"outcome": "not_fetched", "reason": "erased meanwhile"})

    def write(tx: Tx) -> None:
        for attachment in here:
            _save(tx, bridge, attachment)
        end.write(tx)

    return replace(end, write=write)


async def _prepare(bridge: Bridge, preparing: Preparing, ready: list[Attachment]) -> JobEnd:
    """Puts into `ready` what is here and can go, in the order of the attachments."""
    abilities = preparing.account.adapter.abilities
    for attachment in preparing.attachments:
        if attachment.state is AttachmentState.PENDING:
            got = await _fetch_from_agent(bridge, attachment, timeout_s=_PREPARE_S / len(preparing.attachments))
            if isinstance(got, FetchFailed):
                due_at_ms = next_due_ms(
                    bridge.policy.media_retry,
                    preparing.job.attempt,
                    bridge.now_ms(),
                    preparing.job.created_at_ms,
                    bridge.ids.random(),
                    got.after_s,
                )
                out_of_time = due_at_ms is None or due_at_ms > (preparing.job.give_up_at_ms or due_at_ms)
                if got.permanent or got.too_large or due_at_ms is None or out_of_time:
                    return _not_prepared(bridge, preparing, attachment, _problem_of(got), got.reason)
                return Later(due_at_ms=due_at_ms, facts={"outcome": "not_fetched", "reason": got.reason})
            if isinstance(got, AttachmentProblem):
                return _not_prepared(bridge, preparing, attachment, got, "judged by its bytes")
            attachment = got  # noqa: PLW2901 - from here on it is the stored one
        if attachment.content_type not in abilities.media_types:
            return _not_prepared(
                bridge, preparing, attachment, AttachmentProblem.TYPE_NOT_TAKEN, "the carrier does not take this type"
            )
        ready.append(attachment)
    fitted = await _fit(bridge, ready, abilities.max_media_bytes)
    if fitted is None:
        largest = max(ready, key=lambda each: each.size_bytes)
        return _not_prepared(
            bridge, preparing, largest, AttachmentProblem.TOO_LARGE, "too large for the carrier, even scaled down"
        )
    return Done(write=lambda tx: _let_go(tx, bridge, preparing.message, ready, fitted), facts={"outcome": "prepared"})


async def _fetch_from_agent(
    bridge: Bridge, attachment: Attachment, *, timeout_s: float
) -> Attachment | AttachmentProblem | FetchFailed:
    """An agent's address may be any public one; it sees none of our credentials."""
    order = Fetch(
        request=Request(method="GET", url=attachment.source_url, headers=NO_HEADERS),
        hosts=("*",),
        credentials_hosts=(),
        max_bytes=bridge.policy.media_max_bytes * 4,  # larger than what can be sent: pictures are scaled down
        timeout_s=timeout_s,
    )
    scratch = bridge.blobs.scratch()
    got = await bridge.network.fetch(order, scratch)
    return got if isinstance(got, FetchFailed) else await _keep(bridge, attachment, scratch, got)


def _problem_of(failed: FetchFailed) -> AttachmentProblem:
    if failed.too_large:
        return AttachmentProblem.TOO_LARGE
    return AttachmentProblem.MISSING if failed.status in _GONE else AttachmentProblem.OUT_OF_REACH


async def _fit(bridge: Bridge, attachments: list[Attachment], max_bytes: int) -> list[Attachment] | None:
    """The same attachments, pictures scaled down so that all together stay below the limit; None if that fails."""
    total = sum(each.size_bytes for each in attachments)
    if total <= max_bytes:
        return attachments
    fixed = sum(each.size_bytes for each in attachments if not is_picture(each.content_type))
    pictures = [each for each in attachments if is_picture(each.content_type)]
    if not pictures or fixed >= max_bytes:
        return None
    share = (max_bytes - fixed) // len(pictures)
    fitted = []
    for each in attachments:
        path = bridge.blobs.path(each.sha256)
        if not is_picture(each.content_type) or each.size_bytes <= share or path is None:
            fitted.append(each)
            continue
        smaller = await bridge.imaging.shrink(path, each.content_type, share)
        if smaller is None:
            return None
        fitted.append(
            replace(
                each,
                sha256=await bridge.blobs.put(smaller),
                size_bytes=len(smaller),
                content_type="image/jpeg",
                filename=safe_filename(each.filename, "image/jpeg"),
            )
        )
    return fitted if sum(each.size_bytes for each in fitted) <= max_bytes else None


def _let_go(
    tx: Tx, bridge: Bridge, message: Message, originals: Sequence[Attachment], fitted: Sequence[Attachment]
) -> None:
    for original, attachment in zip(originals, fitted, strict=True):
        if attachment.sha256 != original.sha256 and _save(tx, bridge, attachment):
            _abandon(tx, bridge, original, at_ms=bridge.now_ms())
    _release_send(tx, bridge, message)


def _not_prepared(
    bridge: Bridge,
    preparing: Preparing,
    attachment: Attachment,
    problem: AttachmentProblem,
    reason: str,
) -> JobEnd:
    """The send job finds an attachment that is not stored and fails the message; its notice says which and why."""
    bridge.meter.count("media_rejected_total", reason=problem)
    return Done(
        write=lambda tx: _refuse(tx, bridge, preparing.message, attachment, problem, reason),
        facts={"outcome": "rejected", "reason": reason},
    )


def _refuse(
    tx: Tx, bridge: Bridge, message: Message, attachment: Attachment, problem: AttachmentProblem, reason: str
) -> None:
    _save(tx, bridge, replace(attachment, state=AttachmentState.REJECTED, problem=problem, reason=reason))
    _release_send(tx, bridge, message)


def give_up_prepare(tx: Tx, bridge: Bridge, job: Job) -> None:
    message, attachments = tx.message(job.ref), tx.attachments(job.ref)
    if message is not None and message.held_for_media and attachments:
        _refuse(tx, bridge, message, attachments[0], AttachmentProblem.UNREADABLE, "an error of the bridge")


def _release_send(tx: Tx, bridge: Bridge, message: Message) -> None:
    current = tx.message(message.id)
    if current is None:
        return
    ready = replace(current, held_for_media=False)
    tx.update_message(ready)
    tx.expedite(lanes.send_lane(message.conversation_id), message.id, bridge.now_ms())
    if ready.status is Status.QUEUED:
        ready = leave_open_circuit(tx, bridge, ready)  # without its files nobody could tell whether the second takes it
    interaction = tx.interaction(message.interaction_id)
    tell_of_message(tx, bridge, EventType.MESSAGE_UPDATED, ready, interaction.desktop if interaction else "")


async def take_upload(
    bridge: Bridge, file: Path, *, claimed_type: str, filename: str, size_bytes: int, sha256: str
) -> Attachment:
    """Keeps a file that an agent uploaded, for a message to come. Raises Invalid or Unavailable.

    `file` is a finished scratch file; it is gone afterwards, kept or not.
    """
    attachment = Attachment(
        id=AttachmentId(bridge.ids.new("att_")),
        direction=Direction.OUTBOUND,
        content_type=claimed_type,
        filename=filename,
        created_at_ms=bridge.now_ms(),
    )
    got = Fetched(size_bytes=size_bytes, sha256=sha256, content_type=claimed_type, filename=filename)
    try:
        kept = await _keep(bridge, attachment, file, got)
    except ImagingUnavailable as error:
        raise Unavailable("Pictures cannot be read right now.", retry_after_s=30) from error
    if isinstance(kept, AttachmentProblem):
        detail = _UPLOAD_PROBLEMS[kept]
        raise Invalid(detail, FieldError("file", detail), cause=Cause.MEDIA_REJECTED)
    await bridge.store.write(lambda tx: tx.insert_attachment(kept))
    return kept


async def _keep(bridge: Bridge, attachment: Attachment, scratch: Path, got: Fetched) -> Attachment | AttachmentProblem:
    """Judges a whole scratch file by its bytes, and keeps it with a thumbnail; the scratch file goes in any case.

    Raises ImagingUnavailable or OSError.
    """
    try:
        return await _judge(bridge, attachment, scratch, got)
    finally:
        await bridge.blobs.drop_scratch(scratch)


async def _judge(bridge: Bridge, attachment: Attachment, scratch: Path, got: Fetched) -> Attachment | AttachmentProblem:
    if got.size_bytes == 0:
        return AttachmentProblem.UNREADABLE
    content_type = sniff_type(await bridge.blobs.read_head(scratch, SNIFF_BYTES))
    if content_type is None or content_type not in TAKEN_TYPES:
        return AttachmentProblem.TYPE_NOT_TAKEN
    thumbnail_sha256 = ""
    if is_picture(content_type):
        facts = await bridge.imaging.read_picture(scratch, content_type)
        if facts is None:
            return AttachmentProblem.UNREADABLE
        thumbnail_sha256 = await bridge.blobs.put(facts.thumbnail)
    await bridge.blobs.keep(scratch, got.sha256)
    return replace(
        attachment,
        state=AttachmentState.STORED,
        content_type=content_type,
        filename=safe_filename(attachment.filename or got.filename, content_type),
        size_bytes=got.size_bytes,
        sha256=got.sha256,
        thumbnail_sha256=thumbnail_sha256,
    )


_LONGEST_STALL_MS = 60_000  # a picture comes within a minute after there is room again
_NO_ROOM = "no room on the disk"
_PREPARE_S = 60  # for all downloads of one attempt together: attempts have an end
_GONE = frozenset({404, 410})
_TRIES_WHEN_GONE = 5  # media may not be ready when its webhook arrives
_UPLOAD_PROBLEMS = {
    AttachmentProblem.MISSING: "The file is missing.",
    AttachmentProblem.TOO_LARGE: "The file is too large.",
    AttachmentProblem.TYPE_NOT_TAKEN: "Such files are not taken: send a picture, video, audio, PDF or contact card.",
    AttachmentProblem.UNREADABLE: "The file is empty or damaged: it cannot be read.",
}
