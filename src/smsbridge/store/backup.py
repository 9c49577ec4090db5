"""A backup of the embedded store with its media, made while it runs, and putting it back.

A backup is a folder: the database, the media files it refers to, `manifest.json`, and `SHA256SUMS`, which `sha256sum
--check` understands. It gets its name only once it is whole and on disk. A file of media never changes, so a backup
beside an earlier one shares them with it.

The database is copied by SQLite in one step from a read-only connection. Copying it in small steps begins anew at every
write of the bridge, and under load never ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from smsbridge import __version__
from smsbridge.contracts.store import StoreInUse
from smsbridge.store.sqlite import schema_version
from smsbridge.wire.times import write_time

DATABASE: Final = "smsbridge.sqlite3"
MEDIA: Final = "media"
MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
_COMPANIONS: Final = ("", "-wal", "-shm")
_CHUNK_BYTES: Final = 1024 * 1024


class BackupFailed(Exception):
    """It cannot be made, or cannot be put back; says why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Backup:
    """`missing` are media files that the database refers to and that were not there."""

    folder: Path
    made_at_ms: int
    database_bytes: int
    media_files: int
    media_bytes: int
    missing: tuple[str, ...] = ()


def make_backup(database: Path, media: Path, into: Path, *, now_ms: int) -> Backup:
    """A new folder in `into`, named after the time. Raises BackupFailed or OSError; then nothing of it is left."""
    if not database.exists():
        raise BackupFailed(f"There is no database at {database}.")
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"smsbridge-{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%dT%H%M%S}Z"
    earlier = sorted((each / MEDIA for each in into.glob("smsbridge-*Z") if each.is_dir()), reverse=True)
    folder, making = into / name, into / f".{name}.making"
    if folder.exists():
        raise BackupFailed(f"{folder} is there already: backups are named after the second. Try again in a moment.")
    making.mkdir(mode=0o700)
    try:
        digest = _copy_database(database, making / DATABASE)
        sums = [f"{digest}  {DATABASE}\n"]
        missing, media_bytes = [], 0
        for sha256 in _media_of(making / DATABASE):
            size = _copy_media(sha256, media, making / MEDIA, earlier[:1])
            if size is None:
                missing.append(sha256)
                continue
            sums.append(f"{sha256}  {MEDIA}/{_place(sha256)}\n")
            media_bytes += size
        backup = Backup(
            folder=folder,
            made_at_ms=now_ms,
            database_bytes=(making / DATABASE).stat().st_size,
            media_files=len(sums) - 1,
            media_bytes=media_bytes,
            missing=tuple(missing),
        )
        _write(making / SUMS, "".join(sums))
        _write(making / MANIFEST, json.dumps(_manifest(backup, making / DATABASE), indent=2) + "\n")
        for each in (*making.glob("media/*"), making / MEDIA, making):
            if each.is_dir():
                _sync(each)
        making.rename(folder)
        _sync(into)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return backup


def read_backup(folder: Path) -> Backup:
    """What is in it, after every byte of it was compared with its checksum. Raises BackupFailed."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        lines = (folder / SUMS).read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        words = f"{Path(error.filename).name} is not in it. Name the folder that `smsbridge backup` printed"
        raise BackupFailed(f"{folder} is no backup: {words}.") from None
    except (OSError, ValueError) as error:
        raise BackupFailed(f"{folder} is no backup: {error}.") from None
    for line in lines:
        digest, _, name = line.partition("  ")
        try:
            found = _hash(folder / name)
        except OSError as error:
            raise BackupFailed(f"The backup is damaged: {name}: {error.strerror}. Use another one.") from None
        if found != digest:
            raise BackupFailed(f"The backup is damaged: {name} is not what was written. Use another one.")
    return Backup(
        folder=folder,
        made_at_ms=manifest["made_at_ms"],
        database_bytes=manifest["database"]["size_bytes"],
        media_files=manifest["media"]["files"],
        media_bytes=manifest["media"]["size_bytes"],
        missing=tuple(manifest["media"]["missing"]),
    )


@contextmanager
def restoring(backup: Backup, database: Path, media: Path) -> Iterator[Path]:
    """Gives the path of a copy of the backup's database, to be made safe; at the end it takes the place of `database`,
    which is moved aside and kept. If the body raises, everything stays as it was.

    Raises StoreInUse while a bridge runs, or OSError.
    """
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    copy = database.with_name(f"{database.name}.restoring")
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreInUse(f"{database} is in use by another smsbridge process") from None
        _forget(copy)
        _copy_file(backup.folder / DATABASE, copy)
        for file in sorted((backup.folder / MEDIA).glob("*/*")):
            place = media / file.parent.name / file.name
            if not place.exists():
                _copy_file(file, place)
        yield copy
        _move_aside(database)
        copy.rename(database)
        _sync(database.parent)
    finally:
        _forget(copy)
        os.close(lock)


def _copy_database(database: Path, target: Path) -> str:
    """Whole, checked and on disk; returns its SHA-256."""
    try:
        with (
            closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, whoever opens it
            found = [row[0] for row in copy.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as error:
        raise BackupFailed(f"The database cannot be copied: {error}.") from error
    if found != ["ok"]:
        raise BackupFailed(f"The database is damaged ({found[0]}). Keep your earlier backups: docs/operations.")
    target.chmod(0o600)
    _sync(target)
    return _hash(target)


def _media_of(database: Path) -> Iterator[str]:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT sha256 FROM attachments WHERE sha256 <> '' "
            "UNION SELECT thumbnail_sha256 FROM attachments WHERE thumbnail_sha256 <> ''"
        )
        yield from (row[0] for row in rows)


def _copy_media(sha256: str, media: Path, target: Path, earlier: list[Path]) -> int | None:
    """Its size; None when it is not there (any more)."""
    place = target / _place(sha256)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in earlier:
        with suppress(OSError):  # not there, or a file system that knows no second name
            os.link(folder / _place(sha256), place)
            return place.stat().st_size
    try:
        _copy_file(media / _place(sha256), place)
    except FileNotFoundError:
        return None
    return place.stat().st_size


def _manifest(backup: Backup, database: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        schema = schema_version(connection)
    return {
        "made_at": write_time(backup.made_at_ms),
        "made_at_ms": backup.made_at_ms,
        "smsbridge": __version__,
        "database": {"file": DATABASE, "schema": schema, "size_bytes": backup.database_bytes},
        "media": {"files": backup.media_files, "size_bytes": backup.media_bytes, "missing": list(backup.missing)},
    }


def _move_aside(database: Path) -> None:
    """With its log, without which it is not whole; and a log must never lie beside a database it is not of."""
    if not any(Path(f"{database}{suffix}").exists() for suffix in _COMPANIONS):
        return
    number = 1
    while (aside := database.with_name(f"{database.name}.replaced-{number}")).exists():
        number += 1
    for suffix in _COMPANIONS:
        with suppress(FileNotFoundError):
            Path(f"{database}{suffix}").rename(f"{aside}{suffix}")
    _sync(database.parent)


def _forget(copy: Path) -> None:
    for suffix in (*_COMPANIONS, ".lock"):
        Path(f"{copy}{suffix}").unlink(missing_ok=True)


def _place(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256[2:]}"


def _copy_file(source: Path, target: Path) -> None:
    """It has its name only once it is whole and on disk."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    making = target.with_name(f".{target.name}.making")
    shutil.copyfile(source, making)
    making.chmod(0o600)
    _sync(making)
    making.replace(target)
    _sync(target.parent)


def _write(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    file.chmod(0o600)
    _sync(file)


def _hash(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
