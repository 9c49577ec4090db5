"""Backups of a store in use: whole, checked, never half there; and putting them back without losing what was there."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import shutil
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from smsbridge.contracts.store import StoreInUse, Tx
from smsbridge.domain.message import AttachmentState
from smsbridge.store.backup import Backup, BackupFailed, make_backup, read_backup, restoring
from smsbridge.store.sqlite import SqliteStore
from store import made

NOW = 1_790_000_000_000


class Kept:
    """A data folder with a store and a picture in it."""

    def __init__(self, folder: Path) -> None:
        self.database, self.media, self.into = folder / "data.sqlite3", folder / "media", folder / "backups"
        self.store = SqliteStore.open(self.database)

    async def keep(self, content: bytes, attachment_id: str) -> Path:
        sha256 = hashlib.sha256(content).hexdigest()
        file = self.media / sha256[:2] / sha256[2:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        attachment = replace(
            made.attachment(), id=attachment_id, state=AttachmentState.STORED, sha256=sha256, thumbnail_sha256=""
        )
        await self.store.write(lambda tx: tx.insert_attachment(attachment))
        return file

    def back_up(self, now_ms: int = NOW) -> Backup:
        return make_backup(self.database, self.media, self.into, now_ms=now_ms)


@pytest.fixture
async def kept(folder: Path) -> Kept:
    kept = Kept(folder)
    await kept.keep(b"a picture", "att_1")
    yield kept
    await kept.store.close()


async def test_a_backup_made_while_it_is_written_to_is_whole_and_of_one_moment(kept: Kept) -> None:
    over = asyncio.Event()

    def count_on(tx: Tx) -> None:
        number = int(tx.meta("one") or 0) + 1
        for key in ("one", "two"):
            tx.set_meta(key, str(number))

    async def count() -> None:
        while not over.is_set():
            await kept.store.write(count_on)

    await kept.store.write(count_on)
    writing = asyncio.create_task(count())
    backups = [await asyncio.to_thread(kept.back_up, NOW + number * 1_000) for number in range(5)]
    over.set()
    await writing
    seen = []
    for backup in backups:
        assert read_backup(backup.folder) == backup
        with sqlite3.connect(backup.folder / "smsbridge.sqlite3") as connection:
            one, two = (row[0] for row in connection.execute("SELECT value FROM meta WHERE key IN ('one', 'two')"))
        connection.close()
        assert one == two
        seen.append(int(one))
    assert seen == sorted(seen)


async def test_a_backup_says_what_is_in_it_to_everybody(kept: Kept) -> None:
    backup = kept.back_up()
    assert backup.folder.name == "smsbridge-20260921T141320Z"
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=backup.folder, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    manifest = json.loads((backup.folder / "manifest.json").read_text())
    assert (manifest["made_at"], manifest["media"]["files"]) == ("2026-09-21T14:13:20.000Z", 1)
    assert sorted(each.name for each in backup.folder.iterdir()) == [
        "SHA256SUMS",
        "manifest.json",
        "media",
        "smsbridge.sqlite3",
    ]


async def test_a_file_of_media_is_copied_once_for_all_backups(kept: Kept) -> None:
    first = kept.back_up()
    await kept.keep(b"another picture", "att_2")
    second = kept.back_up(NOW + 1_000)
    assert (first.media_files, second.media_files) == (1, 2)
    inodes = [{file.stat().st_ino for file in (each.folder / "media").glob("*/*")} for each in (first, second)]
    assert inodes[0] < inodes[1]
    shutil.rmtree(first.folder)
    assert read_backup(second.folder) == second


async def test_a_file_that_is_not_there_is_named_and_hinders_nothing(kept: Kept) -> None:
    gone = await kept.keep(b"gone", "att_2")
    gone.unlink()
    backup = kept.back_up()
    assert backup.missing == (hashlib.sha256(b"gone").hexdigest(),)
    assert read_backup(backup.folder) == backup


async def test_a_damaged_database_makes_no_backup_and_leaves_nothing(kept: Kept) -> None:
    await kept.store.close()
    with kept.database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(random.Random(5).randbytes(4096 * 3))
    with pytest.raises(BackupFailed, match=r"damaged|cannot be copied"):
        kept.back_up()
    assert list(kept.into.iterdir()) == []


@pytest.mark.parametrize("name", ["smsbridge.sqlite3", "media"])
async def test_a_backup_with_a_changed_byte_is_not_put_back(kept: Kept, name: str) -> None:
    backup = kept.back_up()
    file = backup.folder / name
    file = file if file.is_file() else next(file.glob("*/*"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BackupFailed, match="damaged"):
        read_backup(backup.folder)


async def test_restoring_moves_what_was_there_aside_and_brings_the_media(kept: Kept, folder: Path) -> None:
    await kept.store.write(lambda tx: tx.set_meta("key", "at the backup"))
    backup = kept.back_up()
    await kept.store.write(lambda tx: tx.set_meta("key", "after it"))
    with pytest.raises(StoreInUse), restoring(backup, kept.database, kept.media):
        raise AssertionError("never while a bridge runs")
    await kept.store.close()
    shutil.rmtree(kept.media)
    with pytest.raises(KeyError), restoring(backup, kept.database, kept.media):
        raise KeyError("it could not be made safe")
    assert await value_in(kept.database) == "after it"
    with restoring(backup, kept.database, kept.media) as copy:
        assert await value_in(copy) == "at the backup"
    assert await value_in(kept.database) == "at the backup"
    assert await value_in(folder / "data.sqlite3.replaced-1") == "after it"
    assert [file.read_bytes() for file in kept.media.glob("*/*")] == [b"a picture"]
    assert not list(folder.glob("*.restoring*"))


async def value_in(database: Path) -> str:
    store = SqliteStore.open(database)
    value = await store.read(lambda tx: tx.meta("key"))
    await store.close()
    return value
