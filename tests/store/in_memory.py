"""A transaction on a database in memory, for tests that look at what a transaction does and at nothing around it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from smsbridge.store.sqlite import SqliteRows, migrate
from smsbridge.store.tx import SqlTx


@contextmanager
def memory_tx() -> Iterator[SqlTx]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        yield SqlTx(SqliteRows(connection), b"k" * 32)
