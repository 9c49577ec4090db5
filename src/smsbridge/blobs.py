"""Bytes by content hash, in a folder: `ab/cdef...` holds the file whose sha256 is `abcdef...`.

What `keep` or `put` has returned from survives a power cut: the file is synced, renamed into place and its folder
synced. Several daemons may share the folder; each writes in a scratch folder of its own.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import itertools
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final, Self

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SHARDS: Final = tuple(f"{number:02x}" for number in range(256))


class FolderBlobs:
    """contracts.network.Blobs. Made by `open`, ended by `close`."""

    def __init__(self, folder: Path, scratch: Path, lock: int) -> None:
        self._folder = folder
        self._scratch = scratch
        self._lock = lock
        self._numbers = itertools.count(1)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Makes what is missing of `folder` and sweeps the scratch of daemons that are gone. Raises OSError."""
        scratch = folder / "scratch"
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        for shard in _SHARDS:
            (folder / shard).mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder)
        with (scratch / "lock").open("w") as starting:
            # One start at a time: nobody sweeps a scratch folder between its making and its locking.
            fcntl.flock(starting, fcntl.LOCK_EX)
            for left_over in scratch.iterdir():
                if left_over.is_dir():
                    _sweep(left_over)
            ours = Path(tempfile.mkdtemp(dir=scratch))
            lock = os.open(ours, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
        return cls(folder, ours, lock)

    def close(self) -> None:
        """Unfinished files go; what was kept stays."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        os.close(self._lock)

    def scratch(self) -> Path:
        return self._scratch / str(next(self._numbers))

    async def read_head(self, file: Path, size: int) -> bytes:
        return await asyncio.to_thread(_read_head, file, size)

    async def drop_scratch(self, file: Path) -> None:
        await asyncio.to_thread(file.unlink, missing_ok=True)

    async def keep(self, file: Path, sha256: str) -> None:
        """The caller vouches for the hash. Raises ValueError for a hash that is none, OSError for the disk."""
        await asyncio.to_thread(self._keep, file, self._place(sha256))

    async def put(self, data: bytes) -> str:
        return await asyncio.to_thread(self._put, data)

    def path(self, sha256: str) -> Path | None:
        try:
            place = self._place(sha256)
        except ValueError:
            return None
        return place if place.is_file() else None

    async def discard(self, sha256: str) -> None:
        """Gone for good, also after a power cut. No error if it never was."""
        await asyncio.to_thread(self._discard, self._place(sha256))

    def _place(self, sha256: str) -> Path:
        """The only way from a name to a path, so that no name leads out of the folder."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError("a sha256 is 64 hexadecimal digits in lower case")
        return self._folder / sha256[:2] / sha256[2:]

    def _put(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        file = self.scratch()
        try:
            file.write_bytes(data)
            self._keep(file, self._place(sha256))
        finally:
            file.unlink(missing_ok=True)
        return sha256

    def _keep(self, file: Path, place: Path) -> None:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fchmod(descriptor, 0o600)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # Over what may be there: the bytes are the same, and the name is never without a whole file.
        file.replace(place)
        _sync_folder(place.parent)

    def _discard(self, place: Path) -> None:
        place.unlink(missing_ok=True)
        _sync_folder(place.parent)


def _read_head(file: Path, size: int) -> bytes:
    with file.open("rb") as opened:
        return opened.read(size)


def _sweep(left_over: Path) -> None:
    """Removes a scratch folder unless a living process holds its lock; the system frees the locks of the dead."""
    lock = os.open(left_over, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(left_over)
    finally:
        os.close(lock)


def _sync_folder(folder: Path) -> None:
    """Makes the names in it durable; syncing a file does not."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
