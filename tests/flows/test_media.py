"""Pictures: a text waits for them a while and no longer, the bytes decide what a file is, trouble is told."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes import ANN, BOB, OUR_NUMBER, World, ok
from smsbridge.contracts.bridge import Policy
from smsbridge.contracts.network import Fetch, Fetched, FetchFailed, ImagingUnavailable, PictureFacts
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import CannotSend, Invalid, Unavailable
from smsbridge.domain.message import Attachment, AttachmentProblem, AttachmentState, NoticeKind
from smsbridge.domain.status import Status
from smsbridge.flows import contacts, media, outbound, upkeep
from smsbridge.flows.outbound import MediaItem
from smsbridge.outbox.worker import CRASHES_ALLOWED

MakeWorld = Callable[..., World]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
PROGRAM = b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
A, B, C = (f"https://plain.example/media/{letter}" for letter in "abc")


async def attachments(world: World, number: int = -1) -> list[Attachment]:
    message = (await world.messages())[number]
    return await world.store.read(lambda tx: tx.attachments(message.id))


def told(world: World) -> list[dict[str, Any]]:
    """What the desktop was told of messages."""
    return [event for event in world.sent("/events") if event["type"].startswith("message.")]


def states(event: dict[str, Any]) -> list[str]:
    return [attachment["state"] for attachment in event["data"]["attachments"]]


def files(folder: Path) -> int:
    """How many lie where media is kept, scratch files among them."""
    return sum(file.is_file() for file in (folder / "media").rglob("*")) - 1  # and the lock


async def look_after(world: World, after_ms: int) -> None:
    world.clock.now += after_ms
    await world.write(lambda tx: upkeep.ensure_upkeep(tx, world.bridge))
    await world.run_due()


# --- in


async def test_a_picture_is_kept_by_its_hash_with_type_name_and_thumbnail(world: World) -> None:
    world.network.files = {A: PNG}
    await world.text("Look", media=[A])
    await world.run_due()
    (kept,) = await attachments(world)
    assert (kept.state, kept.content_type, kept.size_bytes) == (AttachmentState.STORED, "image/png", len(PNG))
    assert kept.filename.endswith(".png")
    assert kept.sha256 == hashlib.sha256(PNG).hexdigest()
    path = world.bridge.blobs.path(kept.sha256)
    assert path is not None
    assert path.read_bytes() == PNG
    assert world.bridge.blobs.path(kept.thumbnail_sha256) is not None
    assert await world.notices() == []


async def test_a_text_waits_for_its_pictures_and_is_delivered_complete(make_world: MakeWorld) -> None:
    world = make_world(external=True)
    world.network.files = {A: PNG}
    await world.text("Look", media=[A, B])
    await world.run_due()
    assert told(world) == []
    world.network.files[B] = JPEG
    world.clock.now += 5_000
    await world.run_due()
    assert [(event["type"], states(event)) for event in told(world)] == [("message.received", ["stored", "stored"])]


async def test_a_text_whose_picture_is_late_is_delivered_without_and_completed_later(make_world: MakeWorld) -> None:
    world = make_world(external=True)
    await world.text("Look", media=[A])
    await world.text("Did you get it?")
    await world.run_due()
    assert told(world) == [], "a later text of the conversation does not overtake"
    world.clock.now += world.bridge.policy.media_hold_ms
    await world.run_due()
    assert [(event["type"], states(event)) for event in told(world)] == [
        ("message.received", ["pending"]),
        ("message.received", []),
    ]
    world.network.files[A] = PNG
    world.clock.now += 900_000
    await world.run_due()
    assert [(event["type"], states(event)) for event in told(world)[2:]] == [("message.updated", ["stored"])]


async def test_a_picture_that_is_not_there_yet_is_asked_for_again(world: World) -> None:
    await world.text("Look", media=[A])
    await world.run_due()
    assert [each.state for each in await attachments(world)] == [AttachmentState.PENDING]
    world.network.files[A] = PNG
    world.clock.now += 5_000
    await world.run_due()
    assert [each.state for each in await attachments(world)] == [AttachmentState.STORED]
    assert await world.notices() == []


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (PROGRAM, AttachmentProblem.TYPE_NOT_TAKEN),
        (b"<html>not a picture</html>", AttachmentProblem.TYPE_NOT_TAKEN),
        (b"", AttachmentProblem.UNREADABLE),
        (PNG + b"broken", AttachmentProblem.UNREADABLE),
        (PNG + b"x" * 5 * 1024 * 1024, AttachmentProblem.TOO_LARGE),
        (FetchFailed(reason="forbidden address", permanent=True), AttachmentProblem.MISSING),
    ],
)
async def test_what_cannot_be_taken_is_rejected_and_the_agent_is_told_once(
    make_world: MakeWorld, found: bytes | FetchFailed, problem: AttachmentProblem
) -> None:
    world = make_world(external=True)
    world.network.files = {A: found}
    await world.text("Look", media=[A])
    await world.run_due()
    (kept,) = await attachments(world)
    assert (kept.state, kept.problem, kept.sha256) == (AttachmentState.REJECTED, problem, "")
    (notice,) = await world.notices()
    assert (notice.kind, notice.message_id) == (NoticeKind.ATTACHMENT_PROBLEM, kept.message_id)
    assert [states(event) for event in told(world)] == [["rejected"]]


async def test_what_stays_missing_is_given_up_after_a_while(world: World) -> None:
    await world.text("Look", media=[A])
    for _ in range(10):
        await world.run_due()
        world.clock.now += 900_000
    assert [each.problem for each in await attachments(world)] == [AttachmentProblem.MISSING]
    assert len(await world.notices()) == 1


async def test_two_of_three_are_delivered_with_a_notice_for_the_third(make_world: MakeWorld) -> None:
    world = make_world(external=True)
    world.network.files = {A: PNG, B: PROGRAM, C: JPEG}
    await world.text("Look", media=[A, B, C])
    await world.run_due()
    assert [states(event) for event in told(world)] == [["stored", "rejected", "stored"]]
    assert len(await world.notices()) == 1


async def test_attachments_that_are_announced_and_not_listed_are_told_of_once(world: World) -> None:
    await world.text("Look", missing=2)
    assert [each.problem for each in await attachments(world)] == [AttachmentProblem.MISSING] * 2
    assert len(await world.notices()) == 1


async def test_more_attachments_than_we_take_are_told_of_and_not_fetched(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(max_attachments=2))
    world.network.files = {A: PNG, B: PNG, C: PNG}
    await world.text("Look", media=[A, B, C])
    await world.run_due()
    assert [each.state for each in await attachments(world)] == ["stored", "stored", "rejected"]


# --- out


async def uploaded(world: World, data: bytes, filename: str = "a.png") -> str:
    scratch: Path = world.bridge.blobs.scratch()
    scratch.write_bytes(data)
    kept = await media.take_upload(
        world.bridge,
        scratch,
        claimed_type="application/octet-stream",
        filename=filename,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    assert not scratch.exists()
    return kept.id


async def test_an_upload_goes_out_under_a_link_of_its_own(world: World) -> None:
    attachment_id = await uploaded(world, PNG)
    await world.send("", media=(MediaItem(attachment_id=attachment_id),))
    await world.run_due()
    ((sent,), (kept,)) = world.sent(), await attachments(world)
    assert kept.id != attachment_id  # the same upload can go to several people
    (link,) = sent["media"]
    assert link.startswith("https://bridge.example/media/")
    assert ANN[1:] not in link


@pytest.mark.parametrize("data", [b"", PROGRAM, PNG + b"broken"])
async def test_an_upload_that_cannot_be_taken_is_refused_at_once(world: World, data: bytes) -> None:
    with pytest.raises(Invalid) as invalid:
        await uploaded(world, data)
    assert invalid.value.cause is Cause.MEDIA_REJECTED


async def test_a_picture_given_by_address_is_fetched_before_the_text_leaves(world: World) -> None:
    url = "https://agents.example/picture"
    message = await world.send("Look", media=(MediaItem(url=url),))
    await world.run_due()
    assert world.sent() == []
    world.network.files[url] = JPEG
    world.clock.now += 5_000
    await world.run_due()
    assert len(world.sent()[0]["media"]) == 1
    assert (await world.message(message.id)).status is Status.SENT


async def test_a_picture_that_is_too_large_for_the_carrier_is_scaled_down(world: World) -> None:
    attachment_id = await uploaded(world, PNG + b"x" * 2_000)
    await world.send("Look", media=(MediaItem(attachment_id=attachment_id),))
    await world.run_due()
    (kept,) = await attachments(world)
    assert kept.size_bytes <= 1_000
    assert kept.content_type == "image/jpeg"
    assert len(world.sent()) == 1


@pytest.mark.parametrize(
    ("found", "words", "admin_words"),
    [
        (FetchFailed(reason="HTTP 404", permanent=True, status=404), "no longer there", "HTTP 404."),
        (FetchFailed(reason="an address that is not public", permanent=True), "from its address", "is not public."),
        (FetchFailed(reason="host name not found", permanent=True), "from its address", "Host name not found."),
        (FetchFailed(reason="too large", permanent=True, too_large=True), "too large", "larger"),
        (PDF + b"x" * 2_000, "too large", "larger"),
        (PROGRAM, "files of this kind", "a type"),
        (JPEG + b"broken", "damaged", "decoded"),
        (b"GIF89a\1\0\1\0\0\0\0", "files of this kind", "a type"),
    ],
)
async def test_a_file_that_cannot_go_out_fails_the_text_with_one_notice_that_says_why(
    world: World, found: bytes | FetchFailed, words: str, admin_words: str
) -> None:
    url = "https://agents.example/file"
    world.network.files = {url: found}
    message = await world.send("Look", media=(MediaItem(url=url),))
    await world.run_due()
    kept = await world.message(message.id)
    assert (kept.status, kept.cause) == (Status.FAILED, Cause.MEDIA_REJECTED)
    (notice,) = await world.notices()
    assert notice.kind is NoticeKind.ATTACHMENT_REFUSED
    assert words in notice.text
    assert admin_words in notice.admin_text
    assert world.sent() == []


async def test_a_retry_fetches_the_file_anew(world: World) -> None:
    url = "https://agents.example/file"
    world.network.files = {url: FetchFailed(reason="HTTP 404", permanent=True, status=404)}
    message = await world.send("Look", media=(MediaItem(url=url),))
    await world.run_due()
    assert (await world.message(message.id)).status is Status.FAILED
    world.network.files = {url: PNG}
    await world.write(lambda tx: outbound.retry(tx, world.bridge, message.id))
    await world.run_due()
    assert (await world.message(message.id)).status is Status.SENT
    (kept,) = await attachments(world)
    assert (kept.state, kept.problem, kept.reason) == (AttachmentState.STORED, None, "")
    assert len(world.sent()[0]["media"]) == 1


async def test_a_retry_with_an_upload_that_cannot_be_sent_is_refused_at_once(world: World) -> None:
    attachment_id = await uploaded(world, PDF + b"x" * 2_000, "a.pdf")
    message = await world.send("Look", media=(MediaItem(attachment_id=attachment_id),))
    await world.run_due()
    assert (await world.message(message.id)).cause is Cause.MEDIA_REJECTED
    refusal = await world.write(lambda tx: outbound.retry(tx, world.bridge, message.id))
    assert isinstance(refusal, CannotSend)
    assert (refusal.cause, refusal.notice) == (Cause.MEDIA_REJECTED, NoticeKind.ATTACHMENT_REFUSED)
    assert (await world.message(message.id)).status is Status.FAILED
    assert len(await world.notices()) == 2


async def test_a_file_that_stays_out_of_reach_fails_the_text_before_long(world: World) -> None:
    message = await world.send("Look", media=(MediaItem(url="https://agents.example/file"),))
    for _ in range(10):
        await world.run_due()
        world.clock.now += 30_000
    assert (await world.message(message.id)).status is Status.FAILED
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.ATTACHMENT_REFUSED]


async def test_the_texts_behind_a_picture_wait_for_it(world: World) -> None:
    url = "https://agents.example/file"
    await world.send("first", media=(MediaItem(url=url),))
    await world.send("second")
    await world.run_due()
    assert world.sent() == []
    world.network.files = {url: PNG}
    world.clock.now += 5_000
    await world.run_due()
    assert [sent["text"] for sent in world.sent()] == ["first", "second"]


async def test_a_text_taken_back_while_its_picture_is_fetched_does_not_leave(world: World) -> None:
    url = "https://agents.example/file"
    message = await world.send("Look", media=(MediaItem(url=url),))
    await world.run_due()
    await world.write(lambda tx: outbound.cancel(tx, world.bridge, message.id))
    world.network.files = {url: PNG}
    world.clock.now += 5_000
    await world.run_due()
    assert world.sent() == []
    assert (await world.message(message.id)).status is Status.CANCELLED


async def test_a_type_the_carrier_does_not_take_is_refused_at_once_where_it_is_known(world: World) -> None:
    attachment_id = await uploaded(world, b"GIF89a\1\0\1\0\0\0\0", "a.gif")
    refusal = await world.submit(to=ANN, from_sender=OUR_NUMBER, media=(MediaItem(attachment_id=attachment_id),))
    assert isinstance(refusal, CannotSend)
    assert refusal.notice is NoticeKind.ATTACHMENT_REFUSED


@pytest.mark.parametrize("outbound_too", [False, True])
async def test_a_disk_that_takes_nothing_is_waited_for(world: World, outbound_too: bool) -> None:
    scratch = world.bridge.blobs.scratch().parent
    world.network.files = {A: PNG}
    await world.text("Look", media=[] if outbound_too else [A])
    if outbound_too:
        await world.send("This one", media=(MediaItem(url=A),))
    shutil.rmtree(scratch)
    for _ in range(2 * CRASHES_ALLOWED):
        await world.run_due()
        world.clock.now += 60_000
    assert [each.state for each in await attachments(world)] == [AttachmentState.PENDING]
    scratch.mkdir()
    await world.run_due()
    assert [each.state for each in await attachments(world)] == [AttachmentState.STORED]
    assert await world.notices() == []


class DownImaging:
    """Pictures cannot be decoded just now."""

    async def read_picture(self, file: Path, content_type: str) -> PictureFacts | None:
        raise ImagingUnavailable("no decoder")

    async def shrink(self, file: Path, content_type: str, max_bytes: int) -> bytes | None:
        raise ImagingUnavailable("no decoder")


async def test_a_file_that_cannot_be_judged_just_now_leaves_none_behind(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(world.bridge.imaging), "read_picture", DownImaging.read_picture)
    world.network.files = {A: PNG, B: PNG}
    await world.text("Look", media=[A])
    await world.send("Look", media=(MediaItem(url=B),))
    with pytest.raises(Unavailable):
        await uploaded(world, PNG)
    for _ in range(3):
        await world.run_due()
        world.clock.now += 60_000
    assert files(folder) == 0


async def test_a_picture_that_comes_while_the_person_is_erased_goes_as_well(world: World, folder: Path) -> None:
    world.network.files = {A: PNG, B: PROGRAM, C: JPEG}
    await world.text("Look", media=[A, B])
    await world.send("And you", media=(MediaItem(url=C),))
    under_way = [claimed for _ in range(3) if (claimed := await world.claim()) is not None]
    assert [job.kind for job, _ in under_way] == ["fetch_media", "fetch_media", "prepare_media"]
    (message, _) = await world.messages()
    await contacts.erase(world.bridge, message.contact_id)
    before = await world.store.read(lambda tx: len(tx.list_notices()))
    for job, work in under_way:
        await world.finish(job, work)
    await look_after(world, 0)
    assert files(folder) == 0
    assert await world.store.read(lambda tx: len(tx.list_notices())) == before, "nobody is left to send it again"


async def test_of_a_picture_that_was_scaled_down_only_the_small_one_stays(world: World, folder: Path) -> None:
    url = "https://agents.example/picture"
    world.network.files = {url: PNG + b"x" * 2_000}
    await world.send("Look", media=(MediaItem(url=url),))
    await world.run_due()
    (kept,) = await attachments(world)
    assert kept.size_bytes <= 1_000
    world.network.answer = lambda _request: ok({"status": "delivered"})
    await look_after(world, upkeep.UNUSED_MS + 1)
    assert files(folder) == 2, "it, and its thumbnail"
    assert world.bridge.blobs.path(kept.sha256) is not None


async def test_what_was_had_of_several_files_is_not_fetched_again_and_is_the_persons(
    world: World, folder: Path
) -> None:
    world.network.files = {A: PNG}
    message = await world.send("Look", media=(MediaItem(url=A), MediaItem(url=B)))
    await world.run_due()
    world.network.files = {B: FetchFailed(reason="HTTP 410", permanent=True, status=410)}
    world.clock.now += 5_000
    await world.run_due()
    (first, second) = await attachments(world)
    assert (first.state, second.state) == (AttachmentState.STORED, AttachmentState.REJECTED)
    world.network.files = {B: JPEG}
    await world.write(lambda tx: outbound.retry(tx, world.bridge, message.id))
    await world.run_due()
    assert len(world.sent()[0]["media"]) == 2
    await contacts.erase(world.bridge, message.contact_id)
    assert files(folder) == 0


async def test_bytes_that_go_with_another_person_before_their_row_is_written_are_fetched_again(world: World) -> None:
    world.network.files = {C: PNG}
    await world.text("Look", media=[C])
    await world.run_due()
    (theirs,) = await world.messages()
    message = await world.send("Look", to=BOB, media=(MediaItem(url=A), MediaItem(url=B)))
    world.network.files = {A: PNG, B: JPEG}
    fetch = world.network.fetch

    async def fetch_meanwhile(order: Fetch, scratch: Path) -> Fetched | FetchFailed:
        if order.request.url == B and await world.store.read(lambda tx: tx.contact(theirs.contact_id)):
            await contacts.erase(world.bridge, theirs.contact_id)
        return await fetch(order, scratch)

    world.network.fetch = fetch_meanwhile  # type: ignore[method-assign]
    await world.run_due()
    kept = await world.store.read(lambda tx: tx.attachments(message.id))
    assert [each.state for each in kept] == [AttachmentState.STORED] * 2
    assert all(world.bridge.blobs.path(each.sha256) for each in kept)
    assert len(world.sent()[-1]["media"]) == 2
