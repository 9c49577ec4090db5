"""The outside world as flows see it: performing requests, fetching media, keeping bytes, reading pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from smsbridge.wire.http import Fetch, Performed, Request


class Network(Protocol):
    async def perform(
        self,
        request: Request,
        *,
        timeout_s: float,
        max_bytes: int = 65_536,
        fresh: bool = False,
        before_leaving: Callable[[], None] | None = None,
    ) -> Performed:
        """One request to an address that the configuration names. No redirects, no retries, no environment proxies.

        `timeout_s` covers everything. An answer longer than `max_bytes` is cut. `fresh` is for a request that must not
        be repeated: it gets a connection of its own, not a kept one that the far end may be closing at this moment.
        `before_leaving` is called once the connection is up, just before the first byte; what it raises is raised here,
        and nothing has left.
        """
        ...

    async def fetch(self, fetch: Fetch, into: Path) -> Fetched | FetchFailed:
        """A guarded download to the file `into` (which must not exist yet). Never raises for what the far end does."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """The whole file is in `into` and synced to disk."""

    size_bytes: int
    sha256: str
    content_type: str
    """As the far end says; the bytes decide."""
    filename: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchFailed:
    """Nothing was kept. `permanent`: asking again will give the same (gone, too large, a forbidden address)."""

    reason: str
    permanent: bool
    status: int | None = None
    too_large: bool = False
    after_s: float | None = None


class Blobs(Protocol):
    """Bytes by content hash. Writing the same bytes twice keeps one copy."""

    def scratch(self) -> Path:
        """A path for a file still being written, on the same file system, swept at start."""
        ...

    async def read_head(self, file: Path, size: int) -> bytes:
        """The first `size` bytes of a scratch file."""
        ...

    async def drop_scratch(self, file: Path) -> None: ...

    async def keep(self, file: Path, sha256: str) -> None:
        """Moves a whole scratch file into the store and syncs the folder."""
        ...

    async def put(self, data: bytes) -> str:
        """Keeps `data`; returns its sha256."""
        ...

    def path(self, sha256: str) -> Path | None:
        """Where the bytes lie, or None."""
        ...

    async def discard(self, sha256: str) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFacts:
    """A picture that could be decoded whole. `thumbnail` is a small WebP without metadata."""

    width: int
    height: int
    thumbnail: bytes


class ImagingUnavailable(Exception):
    """Pictures cannot be decoded right now: our own trouble, which says nothing about the picture."""


class Imaging(Protocol):
    """Decodes pictures in a process of its own, with limits on memory, time and pixels.

    Both methods raise ImagingUnavailable.
    """

    async def read_picture(self, file: Path, content_type: str) -> PictureFacts | None:
        """None when it cannot be decoded within the limits: broken, a bomb, or not a picture."""
        ...

    async def shrink(self, file: Path, content_type: str, max_bytes: int) -> bytes | None:
        """The picture as a JPEG of at most `max_bytes`, or None when that cannot be done."""
        ...
