"""Bytes that were kept are there, whole and once, whatever happens to the process that kept them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from smsbridge.blobs import FolderBlobs
from smsbridge.contracts.network import Blobs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "media" / "blobs"


@pytest.fixture
def blobs(folder: Path) -> Iterator[FolderBlobs]:
    opened = FolderBlobs.open(folder)
    yield opened
    opened.close()


def kept_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "scratch" not in path.parts]


async def test_what_was_put_is_there_under_its_hash_and_only_ours_to_read(blobs: FolderBlobs, folder: Path) -> None:
    contract: Blobs = blobs
    sha256 = await contract.put(b"picture")
    path = contract.path(sha256)
    assert sha256 == hashlib.sha256(b"picture").hexdigest()
    assert path == folder / sha256[:2] / sha256[2:]
    assert path.read_bytes() == b"picture"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_scratch_file_is_moved_into_the_store(blobs: FolderBlobs) -> None:
    scratch = blobs.scratch()
    scratch.write_bytes(b"downloaded")
    scratch.chmod(0o666)
    sha256 = hashlib.sha256(b"downloaded").hexdigest()
    assert blobs.path(sha256) is None
    await blobs.keep(scratch, sha256)
    path = blobs.path(sha256)
    assert path is not None
    assert path.read_bytes() == b"downloaded"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not scratch.exists()


async def test_the_same_bytes_are_kept_once_however_many_keep_them_at_once(blobs: FolderBlobs, folder: Path) -> None:
    data = random.Random(3).randbytes(200_000)
    hashes = await asyncio.gather(*(blobs.put(data) for _ in range(40)))
    assert len(set(hashes)) == 1
    (file,) = kept_files(folder)
    assert file.read_bytes() == data


async def test_scratch_paths_are_never_given_twice(blobs: FolderBlobs) -> None:
    assert len({blobs.scratch() for _ in range(1_000)}) == 1_000


async def test_discarded_bytes_are_gone_and_may_be_discarded_again(blobs: FolderBlobs, folder: Path) -> None:
    sha256 = await blobs.put(b"private")
    for _ in range(2):
        await blobs.discard(sha256)
        assert blobs.path(sha256) is None
    assert kept_files(folder) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../../etc/passwd",
        "ab/" + "c" * 61,
        "A" * 64,
        "a" * 63,
        "a" * 65,
        "a" * 64 + "\n",
        "é" * 64,
        "٣" * 64,
        "\0" * 64,
    ],
)
async def test_no_name_leads_out_of_the_folder(blobs: FolderBlobs, name: str) -> None:
    """SEC-43: what is not a hash is not there, and cannot be written or removed."""
    scratch = blobs.scratch()
    scratch.write_bytes(b"x")
    assert blobs.path(name) is None
    with pytest.raises(ValueError, match="64 hexadecimal"):
        await blobs.keep(scratch, name)
    with pytest.raises(ValueError, match="64 hexadecimal"):
        await blobs.discard(name)


async def test_a_link_is_never_kept(blobs: FolderBlobs, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    scratch = blobs.scratch()
    scratch.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        await blobs.keep(scratch, "a" * 64)


async def test_a_failed_put_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = FolderBlobs.open(folder)

    def no_sync(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", no_sync)
    with pytest.raises(OSError, match="Input/output"):
        await blobs.put(b"never durable")
    assert [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"] == []
    blobs.close()


async def test_a_file_is_synced_before_it_gets_its_name_and_the_folder_after(
    blobs: FolderBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    real = os.fsync
    sha256 = hashlib.sha256(b"durable").hexdigest()
    place = folder / sha256[:2] / sha256[2:]

    def watch(descriptor: int) -> None:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        synced.append((Path(name).name, place.exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    await blobs.put(b"durable")
    assert synced == [("1", False), (sha256[:2], True)]


def test_a_start_sweeps_the_scratch_of_the_dead_and_spares_that_of_the_living(folder: Path) -> None:
    living = FolderBlobs.open(folder)
    half = living.scratch()
    half.write_bytes(b"half a download")
    dead = folder / "scratch" / "0123456789abcdef"
    dead.mkdir()
    (dead / "1").write_bytes(b"left over")
    newcomer = FolderBlobs.open(folder)
    assert not dead.exists()
    assert half.read_bytes() == b"half a download"
    newcomer.close()
    living.close()
    assert [path.name for path in (folder / "scratch").iterdir()] == ["lock"]


KEEPS_UNTIL_KILLED = """
import asyncio, random, sys
from pathlib import Path
from smsbridge.blobs import FolderBlobs

async def main():
    blobs = FolderBlobs.open(Path(sys.argv[1]))
    chance = random.Random(int(sys.argv[2]))
    blobs.scratch().write_bytes(b"half")
    while True:
        print(await blobs.put(chance.randbytes(chance.randrange(1, 300_000))), flush=True)

asyncio.run(main())
"""


def test_a_kill_at_any_moment_leaves_only_whole_files_and_all_that_were_promised(folder: Path) -> None:
    """FI-16 in small: each round kills a process in the middle of its work."""
    promised: list[str] = []
    for seed in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", KEEPS_UNTIL_KILLED, str(folder), str(seed)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            promised += [process.stdout.readline().strip() for _ in range(10)]
            process.send_signal(signal.SIGKILL)
            promised += process.stdout.read().split("\n")[:-1]
    FolderBlobs.open(folder).close()
    kept = {path.parent.name + path.name: path for path in kept_files(folder)}
    assert set(promised) <= set(kept)
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == sha256 for sha256, path in kept.items())
    assert [path.name for path in (folder / "scratch").iterdir()] == ["lock"]
