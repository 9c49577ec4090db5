"""backup and restore: a copy of everything that is kept, and the way back that sends nothing twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from smsbridge.cli.console import ask, ask_store
from smsbridge.cli.shared import Stopped, TryAgain, as_json, load_config, print_json, with_config
from smsbridge.clock import SystemClock
from smsbridge.config import Settings
from smsbridge.contracts.store import StoreInUse, StoreMisplaced, StoreTooNew, StoreUnavailable
from smsbridge.log import set_up_logging
from smsbridge.store.backup import Backup, BackupFailed, make_backup, read_backup, restoring
from smsbridge.wire.times import write_time

NEXT: Final = """\
Sending is paused: new texts are taken and wait. Look at what is uncertain, then let them go:
  smsbridge serve
  smsbridge restore finish"""


@click.command()
@with_config
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@as_json
def backup(*, config: Path | None, folder: Path, as_json: bool) -> None:
    """Copy the database and the media into a new folder in FOLDER, while the bridge runs or not.

    It is checked, and gets its name only once it is whole. Keep FOLDER on another disk.
    """
    settings = load_config(config).settings
    _check_embedded(settings, "Back it up with pg_dump or a WAL archive, and copy the media folder after it")
    try:
        made = make_backup(settings.store_path, settings.media_path, folder, now_ms=SystemClock().now_ms())
    except BackupFailed as error:
        raise Stopped(str(error)) from None
    except OSError as error:
        raise Stopped(f"{error.filename or folder}: {error.strerror}. Nothing was kept of this backup.") from None
    if as_json:
        print_json(_show(made))
        return
    for sha256 in made.missing:
        click.echo(f"Warning: a file of an attachment is not there: {sha256}", err=True)
    click.echo(_describe(made), err=True)
    click.echo(made.folder)


@click.group()
def restore() -> None:
    """Put a backup back, safely: nothing old is sent again by itself."""


@restore.command("from")
@with_config
@click.argument("folder", metavar="BACKUP", type=click.Path(path_type=Path, exists=True, file_okay=False))
@as_json
def restore_from(*, config: Path | None, folder: Path, as_json: bool) -> None:
    """Put a backup in the place of what is there.

    BACKUP is a folder that `smsbridge backup` made. The bridge must not run.
    What is there is moved aside and kept. Texts that were on their way become uncertain, and sending is paused.
    """
    loaded = load_config(config)
    set_up_logging(level="warning")
    settings = loaded.settings
    _check_embedded(settings, "Restore it with its own tools, then say so: smsbridge restore mark")
    try:
        found = read_backup(folder)
        with restoring(found, settings.store_path, settings.media_path) as copy:
            marked = asyncio.run(ask_store(loaded, "restore.mark", {"as_of_ms": found.made_at_ms}, store_path=copy))
    except (BackupFailed, StoreTooNew, StoreMisplaced) as error:
        raise Stopped(str(error)) from None
    except StoreInUse as error:
        raise TryAgain(f"{error}. Stop it first: systemctl stop smsbridge") from None
    except StoreUnavailable as error:
        raise Stopped(f"{error}. Nothing was changed.") from None
    except OSError as error:
        raise Stopped(f"{error.filename or folder}: {error.strerror}. Nothing was changed.") from None
    if as_json:
        print_json({**_show(found), **marked})
        return
    click.echo(f"{_describe(found)} It is in place.", err=True)
    _tell(marked)


@restore.command("mark")
@with_config
@click.option("--as-of", required=True, metavar="TIME", help="When the backup was made: 2026-11-25T02:00:00Z.")
@as_json
def mark(*, config: Path | None, as_of: str, as_json: bool) -> None:
    """Say that the database was restored by other means.

    By pg_restore, for example, or by copying files; say so before the bridge is started.
    The same as after `restore from`: texts that were on their way become uncertain, and sending is paused.
    """
    marked = ask(load_config(config), "restore.mark", {"as_of_ms": _read_time(as_of)})
    if as_json:
        print_json(marked)
        return
    _tell(marked)


@restore.command("finish")
@with_config
def finish(*, config: Path | None) -> None:
    """Let texts leave again."""
    answer = ask(load_config(config), "restore.finish", {})
    click.echo("Texts leave again." if answer["was_paused"] else "Sending was not paused.")


COMMANDS: Final = {"backup": backup, "restore": restore}


def _check_embedded(settings: Settings, cure: str) -> None:
    if settings.store_url:
        raise Stopped(f"This bridge keeps everything in PostgreSQL. {cure}. See docs/operations/upgrade-and-backup.md.")


def _read_time(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("must be a time like 2026-11-25T02:00:00Z", param_hint="--as-of") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _show(made: Backup) -> dict[str, Any]:
    return {
        "folder": str(made.folder),
        "made_at": write_time(made.made_at_ms),
        "database_bytes": made.database_bytes,
        "media_files": made.media_files,
        "media_bytes": made.media_bytes,
        "missing": list(made.missing),
    }


def _describe(made: Backup) -> str:
    mib = (made.database_bytes + made.media_bytes) / 1024**2
    return f"Backup of {write_time(made.made_at_ms)}: the database and {made.media_files} files, {mib:.1f} MB."


def _tell(marked: dict[str, Any]) -> None:
    click.echo(f"{marked['uncertain']} texts that were on their way at {marked['as_of']} are uncertain now.", err=True)
    click.echo(NEXT, err=True)
