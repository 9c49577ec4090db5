"""Files: taking them before they are sent, giving them out again. Neither way is a whole file ever held in memory."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from email.message import Message as MimeHeaders
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import unquote

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from smsbridge.contracts.disk import Room
from smsbridge.domain.errors import Conflict, FieldError, Invalid, NoRoom, NotFound, Unavailable
from smsbridge.domain.message import Attachment, AttachmentState
from smsbridge.flows import media, resources
from smsbridge.web.api import models
from smsbridge.web.api.reading import read_id
from smsbridge.web.endpoint import Answer, Call, Endpoint, fingerprint
from smsbridge.web.files import send_file
from smsbridge.web.problems import RETRY_AFTER_S, NotReadable, TooLarge, WrongMediaType
from smsbridge.wire.http import read_filename

CHUNK_BYTES: Final = 256 * 1024
MAX_WRAPPING_BYTES: Final = 64 * 1024
"""What a multipart body may have besides the file: boundaries and headers."""


async def upload(call: Call) -> Answer:
    if call.bridge.disk.media_room < Room.AMPLE:
        raise NoRoom("The disk is nearly full, so files are not taken. Nothing was kept: repeat it later.")
    scratch = call.bridge.blobs.scratch()
    try:
        received = await _receive(call.request, scratch, call.bridge.policy.media_max_bytes)
        kept = await media.take_upload(
            call.bridge,
            scratch,
            claimed_type=received.content_type,
            filename=received.filename,
            size_bytes=received.size_bytes,
            sha256=received.sha256,
        )
    except OSError as error:
        await call.bridge.blobs.drop_scratch(scratch)
        raise Unavailable("Files cannot be written right now.", retry_after_s=RETRY_AFTER_S) from error
    except BaseException:
        await call.bridge.blobs.drop_scratch(scratch)
        raise
    # A boundary differs from one repeat to the next, so it is the file that makes two uploads the same.
    same = fingerprint(call.endpoint.method, call.endpoint.path, f"{received.sha256} {received.filename}".encode())
    shown = resources.attachment(call.bridge, kept)
    return await replace(call, fingerprint=same).write(lambda _tx: shown, location="/v1/attachments/{id}")


async def show(call: Call) -> dict[str, Any]:
    return resources.attachment(call.bridge, await _find(call))


async def send_content(call: Call) -> web.StreamResponse:
    attachment = await _find(call)
    if attachment.state is not AttachmentState.STORED:
        raise Conflict("not_stored", f"This attachment is {attachment.state}; only a stored one has content.")
    return _send(call, attachment.sha256, attachment.content_type, attachment.filename)


async def send_thumbnail(call: Call) -> web.StreamResponse:
    attachment = await _find(call)
    if not attachment.thumbnail_sha256:
        raise NotFound("thumbnail of the attachment", attachment.id)
    return _send(call, attachment.thumbnail_sha256, "image/webp", "thumbnail.webp")


async def _find(call: Call) -> Attachment:
    attachment_id = read_id(call, "attachment")
    attachment = await call.read(lambda tx: tx.attachment(attachment_id))
    if attachment is None:
        raise NotFound("attachment", attachment_id)
    return attachment


def _send(call: Call, sha256: str, content_type: str, filename: str) -> web.FileResponse:
    path = call.bridge.blobs.path(sha256)
    if path is None:
        raise NotFound("file of the attachment", call.path["id"])
    return send_file(call.request, path, content_type=content_type, filename=filename)


# --- receiving


@dataclass(frozen=True, kw_only=True, slots=True)
class _Received:
    """A file that is whole and on disk."""

    content_type: str
    filename: str
    size_bytes: int
    sha256: str


async def _receive(request: web.Request, into: Path, max_bytes: int) -> _Received:
    """The one file of a multipart form, or the body itself. Raises what web/problems.py has for each fault."""
    is_form = request.content_type.startswith("multipart/")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise WrongMediaType("Send the file as it is, not compressed.")
    if (request.content_length or 0) > max_bytes + (MAX_WRAPPING_BYTES if is_form else 0):
        raise _too_large(max_bytes)
    try:
        return await (_receive_form if is_form else _receive_body)(request, into, max_bytes)
    except (ValueError, HttpProcessingError, web.RequestPayloadError, ConnectionError):
        raise NotReadable("The body is not a readable multipart form, or it broke off.") from None


async def _receive_body(request: web.Request, into: Path, max_bytes: int) -> _Received:
    chunks = request.content.iter_chunked(CHUNK_BYTES)
    size_bytes, sha256 = await _write(aiter(chunks), into, max_bytes)
    return _Received(
        content_type=request.content_type[:100],
        filename=read_filename(request.headers.get("Content-Disposition", "")),
        size_bytes=size_bytes,
        sha256=sha256,
    )


async def _receive_form(request: web.Request, into: Path, max_bytes: int) -> _Received:
    form = await request.multipart()
    part = await form.next()
    disposition = part.headers.get("Content-Disposition", "") if part is not None else ""
    if not isinstance(part, BodyPartReader) or _read_name(disposition) != "file":
        raise Invalid("The form has no file.", FieldError("file", "is missing: send the file in a part named file"))
    size_bytes, sha256 = await _write(_chunks_of(part), into, max_bytes)
    if await form.next() is not None:
        raise Invalid(
            "The form has more than one part.", FieldError("file", "must be the only part; upload one by one")
        )
    return _Received(
        content_type=part.headers.get("Content-Type", "").partition(";")[0].strip()[:100],
        filename=unquote(read_filename(disposition)),  # as RFC 7578, 4.2 allows a form to write what is not ASCII
        size_bytes=size_bytes,
        sha256=sha256,
    )


async def _chunks_of(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK_BYTES):
        yield bytes(chunk)


async def _write(chunks: AsyncIterator[bytes], into: Path, max_bytes: int) -> tuple[int, str]:
    """Size and SHA-256 of what is then in the file and on the disk. Stops as soon as it is too much."""
    digest, size_bytes = hashlib.sha256(), 0
    file = await asyncio.to_thread(into.open, "xb")
    try:
        async for chunk in chunks:
            size_bytes += len(chunk)
            if size_bytes > max_bytes:
                raise _too_large(max_bytes)
            digest.update(chunk)
            await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(_sync, file)
    finally:
        file.close()
    return size_bytes, digest.hexdigest()


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _read_name(disposition: str) -> object:
    """The name of a form's field, parsed as mail does it."""
    headers = MimeHeaders()
    headers["Content-Disposition"] = disposition
    return headers.get_param("name", header="Content-Disposition")


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The file is too large: at most {max_bytes / 1_048_576:.3g} MB are taken.")


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/attachments",
        summary="Upload a file, to be sent with a message",
        description=(
            "As the part `file` of a `multipart/form-data` body, or as the body itself. What it is, its bytes decide. "
            "An upload that no message uses is deleted after a day."
        ),
        tag="attachments",
        scope="media:write",
        handler=upload,
        body_kind="multipart",
        answer=models.Attachment,
        status=201,
        creates=True,
        problems=(413, 415, 422, 507),
    ),
    Endpoint(
        method="GET",
        path="/v1/attachments/{id}",
        summary="Show what became of a file",
        tag="attachments",
        scope="media:read",
        handler=show,
        answer=models.Attachment,
        problems=(404,),
    ),
    Endpoint(
        method="GET",
        path="/v1/attachments/{id}/content",
        summary="Download a file",
        tag="attachments",
        scope="media:read",
        handler=send_content,
        content_types=("*/*",),
        problems=(404, 409),
    ),
    Endpoint(
        method="GET",
        path="/v1/attachments/{id}/thumbnail",
        summary="Download the thumbnail of a picture",
        tag="attachments",
        scope="media:read",
        handler=send_thumbnail,
        content_types=("image/webp",),
        problems=(404,),
    ),
)
