"""Watches the free space, and keeps a file in reserve that is given up when the disk is full.

Three levels (contracts/disk.py). The limits are sizes, and shares of the disk where that is less: 2 GB would be all of
a small one. What the reserve frees counts as no room: it is for ending what was begun, and not for beginning more. Once
there is room again the reserve is made again, and everything goes on by itself.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from smsbridge.contracts.disk import Room
from smsbridge.contracts.meter import Meter

LOW_SHARE: Final = 0.05
FULL_SHARE: Final = 0.01
RESERVE_SHARE: Final = 0.01
RESERVE_NAME: Final = "reserve"
_BACK_AGAIN: Final = 1.1
"""Room has to be this much over a limit to count again: a disk at its limit must not change its mind each second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskLimits:
    """Free bytes below which there is LOW room, and NONE. 0: never."""

    low_bytes: int
    full_bytes: int
    reserve_bytes: int


class DiskWatch:
    """contracts.disk.Disk. `look` is called once a second, and `on_full` when a write found no room."""

    def __init__(
        self, data_dir: Path, media_dir: Path, limits: DiskLimits, meter: Meter, *, store_is_here: bool = True
    ) -> None:
        """Both folders must exist. A store that is elsewhere (PostgreSQL) has a disk of its own: only media count."""
        self._store_is_here = store_is_here
        self._data_dir = data_dir
        self._media_dir = media_dir
        self._limits = limits
        self._meter = meter
        self._reserve = data_dir / RESERVE_NAME
        self._log = structlog.get_logger()
        self.room = Room.AMPLE
        self.media_room = Room.AMPLE

    def make_way(self) -> bool:
        """At a start on a disk that is full already: gives the reserve up, so that the store can be opened. Whether it
        did."""
        free, total = _free_and_total(self._data_dir)
        return self._judge(free, total, Room.AMPLE) is Room.NONE and self.on_full()

    def look(self) -> None:
        """Judges the free space anew. Costs two system calls."""
        with suppress(OSError):  # a folder that cannot be looked at is the store's to tell
            free, total = _free_and_total(self._data_dir)
            room = Room.AMPLE
            if self._store_is_here:
                room = self._judge(max(free - self._missing(total), 0), total, self.room)
            if room is not self.room:
                self._tell(room, free)
            if room is not Room.NONE and self._store_is_here:
                self._make_reserve(total)
            self.room = room
            self._meter.set("storage_room", room)
            free, total = _free_and_total(self._media_dir)
            self.media_room = min(room, self._judge(free, total, self.media_room))

    def on_full(self) -> bool:
        """The disk said that there is no room: what ends something gets the reserve. Whether there was one to give."""
        if self.room is not Room.NONE:
            self.room = self.media_room = Room.NONE
            self._tell(Room.NONE, 0)
        try:
            self._reserve.unlink()
        except OSError:
            return False
        self._log.warning("disk.reserve_used")
        return True

    def _judge(self, free: int, total: int, now: Room) -> Room:
        for room, limit, share in (
            (Room.NONE, self._limits.full_bytes, FULL_SHARE),
            (Room.LOW, self._limits.low_bytes, LOW_SHARE),
        ):
            least = min(limit, total * share)
            if free < (least * _BACK_AGAIN if now <= room else least):
                return room
        return Room.AMPLE

    def _missing(self, total: int) -> int:
        """How much of what is free belongs to the reserve."""
        return 0 if self._reserve.exists() else self._reserve_bytes(total)

    def _reserve_bytes(self, total: int) -> int:
        return int(min(self._limits.reserve_bytes, total * RESERVE_SHARE))

    def _make_reserve(self, total: int) -> None:
        size = self._reserve_bytes(total)
        if not size or self._reserve.exists():
            return
        making = self._reserve.with_suffix(".new")
        try:
            descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
            making.replace(self._reserve)
        except OSError:
            making.unlink(missing_ok=True)

    def _tell(self, room: Room, free: int) -> None:
        match room:
            case Room.NONE:
                self._log.error("disk.filled_up", free_bytes=free)
            case Room.LOW:
                self._log.warning("disk.ran_low", free_bytes=free)
            case Room.AMPLE:
                self._log.info("disk.got_room", free_bytes=free)


def _free_and_total(folder: Path) -> tuple[int, int]:
    """What we may still write, and how large the disk is."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
