"""What `doctor` looks at on this computer: the data folder, the disk, SQLite, the files that hold secrets, pictures."""

from __future__ import annotations

import os
import shutil
import sqlite3  # for its version only: nothing here opens a database
import stat
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from PIL import __version__ as pillow_version

from smsbridge.provisioning.check import Check
from smsbridge.store.places import MOUNTS, REMOTE_FILE_SYSTEMS, file_system_of

PASSING_FILE_SYSTEMS: Final = frozenset({"tmpfs", "ramfs"})

WARN_BELOW_BYTES: Final = 2 * 1024**3
FAIL_BELOW_BYTES: Final = 200 * 1024**2

WAL_RESET_BUG: Final = ((3, 7, 0), (3, 51, 2))
"""First and last SQLite in which two connections that write or checkpoint at one moment can spoil a WAL database:
https://www.sqlite.org/wal.html"""


def check_data_dir(data_dir: Path, *, mounts: Path = MOUNTS) -> list[Check]:
    """Writable, on a local file system that lasts, with space left. Nothing is left behind."""
    name = "data_dir"
    there = next((folder for folder in (data_dir, *data_dir.parents) if folder.exists()), Path("/"))
    if not there.is_dir():
        return [Check(name=name, verdict="fail", detail=f"{there} is a file", cure="set data_dir to a folder")]
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".smsbridge-doctor-") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        cure = f"chown it to the user that runs the bridge: chown -R smsbridge {there}"
        return [Check(name=name, verdict="fail", detail=f"{there} is not writable: {error.strerror}", cure=cure)]
    found = "is writable" if there == data_dir else "does not exist yet and will be made at the first start"
    return [
        Check(name=name, verdict="ok", detail=f"{data_dir} {found}"),
        _check_file_system(there, mounts),
        _check_space(there),
    ]


def check_sqlite(version: tuple[int, int, int] = sqlite3.sqlite_version_info[:3]) -> Check:
    text = ".".join(map(str, version))
    first, last = WAL_RESET_BUG
    if first <= version <= last:
        detail = (
            f"SQLite {text} has the WAL-reset bug (3.7.0 to 3.51.2), which can spoil a database that two connections "
            "write at one moment. The bridge has one writer and a lock against a second; other programs must not write"
        )
        cure = "use a Python with SQLite 3.51.3 or later; never open the database with another tool while it runs"
        return Check(name="sqlite", verdict="warn", detail=detail, cure=cure)
    return Check(name="sqlite", verdict="ok", detail=f"SQLite {text}")


def check_secret_file(file: Path) -> Check:
    """A file or folder that holds secrets or texts: for its owner, and at most to be read by its group."""
    name = f"mode of {file.name}"
    try:
        found = file.stat()
    except OSError as error:
        cure = f"run as the user that may read {file}"
        return Check(name=name, verdict="fail", detail=f"{file}: {error.strerror}", cure=cure)
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_IRWXO:
        detail = f"{file} is open to everybody on this computer ({mode:04o})"
        return Check(name=name, verdict="fail", detail=detail, cure=f"chmod o-rwx {file}")
    if mode & stat.S_IWGRP:
        detail = f"{file} can be changed by its group ({mode:04o})"
        return Check(name=name, verdict="warn", detail=detail, cure=f"chmod g-w {file}")
    return Check(name=name, verdict="ok", detail=f"{file} is {mode:04o}")


def check_pictures(*, heic: bool | None = None) -> Check:
    """`heic`: whether HEIC can be decoded; None: look."""
    if heic if heic is not None else find_spec("pillow_heif") is not None:
        return Check(name="pictures", verdict="ok", detail=f"Pillow {pillow_version}, with HEIC")
    detail = f"Pillow {pillow_version}, without HEIC: photos of iPhones are kept and passed on, but have no thumbnail"
    return Check(name="pictures", verdict="warn", detail=detail, cure="pip install pillow-heif")


def _check_file_system(folder: Path, mounts: Path) -> Check:
    name = "file system"
    kind = file_system_of(folder, mounts)
    if kind in REMOTE_FILE_SYSTEMS:
        cure = "put data_dir on a local disk; for several computers use PostgreSQL"
        return Check(name=name, verdict="fail", detail=f"{folder} lies on {kind}, over a network", cure=cure)
    if kind in PASSING_FILE_SYSTEMS:
        detail = f"{folder} lies in memory ({kind}): everything is gone after a restart of this computer"
        return Check(name=name, verdict="warn", detail=detail, cure="put data_dir on a disk, as /var/lib/smsbridge")
    return Check(name=name, verdict="ok", detail=f"{kind or 'unknown'}, not one over a network")


def _check_space(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1024**3:.1f} GiB free under {folder}"
    if free >= WARN_BELOW_BYTES:
        return Check(name="free disk", verdict="ok", detail=detail)
    cure = "make room: on a full disk nothing can be accepted"
    return Check(name="free disk", verdict="fail" if free < FAIL_BELOW_BYTES else "warn", detail=detail, cure=cure)
