"""Named SQL, read from the .sql files beside this one.

    -- columns message: id, direction, ...      what `{message}` stands for in the queries of the same file
    -- name: message_by_id                      the name the code calls it by; comment lines after it are its reason
    SELECT {message} FROM messages WHERE id = :id;

`{ids}` is filled in by the caller with as many placeholders as it has values. One text serves both databases; where
they must part, a line is marked as one's own:

    --sqlite   ON CONFLICT DO NOTHING
    --postgres ON CONFLICT (lane) DO UPDATE SET queue = lanes.queue
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final, Literal

from smsbridge.domain.text import fold

Dialect = Literal["sqlite", "postgres"]

_COLUMNS: Final = re.compile(r"^-- columns (\w+): (.+)$", re.MULTILINE)
_MARKED: Final = re.compile(r"^--(?P<dialect>sqlite|postgres)\b *(?P<rest>.*)$", re.MULTILINE)
_VALUE: Final = re.compile(r"(?<!:):([a-z][a-z0-9_]*)")
_QUERY: Final = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |^-- columns |\Z)", re.MULTILINE | re.DOTALL)


@cache
def load_queries(dialect: Dialect = "sqlite") -> Mapping[str, str]:
    """Every named query of the package, with its values as `:name`. Raises ValueError for a name used twice."""
    queries: dict[str, str] = {}
    for file in sorted(_folder().iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        text = _keep(file.read_text("utf-8"), dialect)
        columns = dict(_COLUMNS.findall(text))
        for name, body in _QUERY.findall(text):
            if name in queries:
                raise ValueError(f"{file.name}: the query {name} exists twice")
            queries[name] = _statement(body, columns)
    return queries


@cache
def load_postgres_queries() -> Mapping[str, str]:
    """The same with the values as psycopg wants them, and a list of ids as one of them."""
    return {
        name: _VALUE.sub(r"%(\1)s", sql.replace("%", "%%").replace("IN ({ids})", "= ANY(:ids)"))
        for name, sql in load_queries("postgres").items()
    }


@cache
def load_migrations(dialect: Dialect = "sqlite") -> tuple[tuple[int, str], ...]:
    """(version, script) in order; the version is the number that the file name begins with."""
    files = [file for file in (_folder() / "migrations").iterdir() if file.name.endswith(".sql")]
    return tuple(sorted((int(file.name.split("_")[0]), _keep(file.read_text("utf-8"), dialect)) for file in files))


def like_pattern(words: str) -> str:
    """A LIKE pattern (ESCAPE is a backslash) that finds `words` anywhere in folded text (`domain.text.fold`)."""
    folded = fold(words)
    for special in ("\\", "%", "_"):
        folded = folded.replace(special, "\\" + special)
    return f"%{folded}%"


def _folder() -> resources.abc.Traversable:
    return resources.files("smsbridge.store") / "sql"


def _keep(text: str, dialect: Dialect) -> str:
    """The text without the other database's lines, and this one's without their mark."""
    return _MARKED.sub(lambda line: line["rest"] if line["dialect"] == dialect else "", text)


def _statement(body: str, columns: Mapping[str, str]) -> str:
    lines = [line for line in body.splitlines() if line.strip() and not line.startswith("--")]
    statement = "\n".join(lines).strip().removesuffix(";")
    for name, names in columns.items():
        statement = statement.replace("{" + name + "}", names)
    return statement
