"""The watch over the free space: its levels, its reserve, and how it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes import CountingMeter
from smsbridge.contracts.disk import Room
from smsbridge.disk import DiskLimits, DiskWatch

MB = 1024 * 1024
LARGE = 1_000_000 * MB


class Space:
    """What the system says about the disk. The reserve is a real file, and takes of it what it holds."""

    def __init__(self, folder: Path, free: int, total: int) -> None:
        self.folder, self.free, self.total = folder, free, total

    def look_at(self, folder: Path) -> tuple[int, int]:
        assert folder == self.folder
        reserve = folder / "reserve"
        return max(self.free - (reserve.stat().st_size if reserve.exists() else 0), 0), self.total


def open_watch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, free: int, total: int = LARGE, reserve: int = MB
) -> tuple[DiskWatch, Space]:
    space = Space(folder, free, total)
    monkeypatch.setattr("smsbridge.disk._free_and_total", space.look_at)
    limits = DiskLimits(low_bytes=200 * MB, full_bytes=50 * MB, reserve_bytes=reserve)
    watch = DiskWatch(folder, folder, limits, CountingMeter())
    watch.look()
    return watch, space


@pytest.mark.parametrize(
    ("free", "room"), [(500, Room.AMPLE), (202, Room.AMPLE), (200, Room.LOW), (52, Room.LOW), (50, Room.NONE)]
)
def test_the_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, room: Room) -> None:
    watch, _ = open_watch(tmp_path, monkeypatch, free=free * MB)
    assert (watch.room, watch.media_room) == (room, room)


def test_on_a_small_disk_the_limits_are_shares_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, space = open_watch(tmp_path, monkeypatch, free=60 * MB, total=1_000 * MB, reserve=64 * MB)
    assert watch.room is Room.AMPLE
    assert (tmp_path / "reserve").stat().st_size == 10 * MB
    space.free = 59 * MB  # of which ten are the reserve's
    watch.look()
    assert watch.room is Room.LOW


def test_a_disk_at_its_limit_does_not_change_its_mind_each_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, space = open_watch(tmp_path, monkeypatch, free=500 * MB, reserve=0)
    rooms = []
    for free in (199, 201, 199, 201, 221):
        space.free = free * MB
        watch.look()
        rooms.append(watch.room)
    assert rooms == [Room.LOW] * 4 + [Room.AMPLE]


def test_the_reserve_is_given_once_counts_as_no_room_and_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, space = open_watch(tmp_path, monkeypatch, free=500 * MB, reserve=60 * MB)
    space.free = 60 * MB  # the reserve and nothing else
    assert watch.on_full()
    assert watch.room is Room.NONE
    assert not (tmp_path / "reserve").exists()
    assert not watch.on_full(), "there is no second one"
    watch.look()
    assert watch.room is Room.NONE, "what the reserve freed is no room"
    assert not (tmp_path / "reserve").exists()
    space.free = 500 * MB
    watch.look()
    assert watch.room is Room.AMPLE
    assert (tmp_path / "reserve").stat().st_size == 60 * MB


def test_a_start_on_a_full_disk_gives_the_reserve_up_so_that_the_store_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, space = open_watch(tmp_path, monkeypatch, free=500 * MB)
    assert not watch.make_way(), "whatever it is, it is not the disk"
    assert (tmp_path / "reserve").exists()
    space.free = 1 * MB
    assert watch.make_way()
    assert watch.room is Room.NONE
    assert not (tmp_path / "reserve").exists()
    assert not watch.make_way()


def test_a_store_that_is_elsewhere_has_a_disk_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = Space(tmp_path, 0, LARGE)
    monkeypatch.setattr("smsbridge.disk._free_and_total", space.look_at)
    limits = DiskLimits(low_bytes=200 * MB, full_bytes=50 * MB, reserve_bytes=MB)
    watch = DiskWatch(tmp_path, tmp_path, limits, CountingMeter(), store_is_here=False)
    watch.look()
    assert (watch.room, watch.media_room) == (Room.AMPLE, Room.NONE)


def test_limits_of_nothing_refuse_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = Space(tmp_path, 0, LARGE)
    monkeypatch.setattr("smsbridge.disk._free_and_total", space.look_at)
    watch = DiskWatch(tmp_path, tmp_path, DiskLimits(low_bytes=0, full_bytes=0, reserve_bytes=0), CountingMeter())
    watch.look()
    assert watch.room is Room.AMPLE
