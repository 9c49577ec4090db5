"""The log: one full line for each request and each attempt, JSON for machines and columns for people.

Events are called `noun.past_tense`; docs/logs.md lists them all. No text of a person, no full number and no secret gets
into a line. It is held back twice: fields that could hold one are masked by name when the line is made, and whatever
looks like one is masked in the finished line, those of libraries and tracebacks included.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO, cast

import structlog
from pydantic_core import to_json
from structlog.typing import Processor

from smsbridge.domain.phone import mask_number

Format = Literal["auto", "console", "json"]

MASKED: Final = "[masked]"
_SECRET_FIELDS: Final = frozenset(
    {
        "authorization",
        "body",
        "cookie",
        "headers",
        "key",
        "media_url",
        "password",
        "secret",
        "signature",
        "text",
        "token",
    }
    | {"api_key", "api_secret", "auth_token"}
)
_SCALARS: Final = frozenset({bool, float, int, str, type(None)})
"""Nothing is nested in a value of these."""
_NUMBER: Final = re.compile(r"(?:\+|%2B)([1-9]\d{6,14})(?!\d)", re.IGNORECASE)
_SECRETS: Final = (
    (re.compile(r"\b(smsb_[A-Za-z0-9]+_)[A-Za-z0-9_]+"), rf"\1{MASKED}"),
    (re.compile(r"\b(whsec_)[A-Za-z0-9+/=]+"), rf"\1{MASKED}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE), rf"\1 {MASKED}"),
    (re.compile(r"\b(\w*(?:token|secret|password|signature))=[^&\s\"']+", re.IGNORECASE), rf"\1={MASKED}"),
    (re.compile(r"(/media/)[A-Za-z0-9_.~-]{16,}"), rf"\1{MASKED}"),
    (re.compile(r"(://[^/@\s:\"']*:)[^/@\s\"']+@"), rf"\1{MASKED}@"),
)
_SIGNS: Final = ("+", "%2b", "=", "smsb_", "whsec_", "bearer", "basic", "/media/", "://")
"""One of these is in everything that the patterns above can find."""
_QUIET: Final = {
    "aiohttp.access": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "PIL": logging.WARNING,
    "twilio": logging.WARNING,
}
_PRIORITIES: Final = {"critical": 2, "error": 3, "exception": 3, "warning": 4, "info": 6, "debug": 7}
"""https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html"""


def set_up_logging(
    *,
    level: str = "info",
    style: Format = "auto",
    stream: TextIO | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Routes structlog and every library's logging to one stream, by default standard error.

    Our own lines are written straight to it, for there is one for each request; libraries' come through `logging`.
    """
    out = stream or sys.stderr
    env = os.environ if environment is None else environment
    for_people = style == "console" or (style == "auto" and out.isatty())
    in_journal = _is_journal(out, env)
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        mask_fields,
    ]
    if not in_journal:  # the journal has a clock of its own
        shared.insert(0, _Stamp())
    last: list[Processor] = []
    if for_people:
        colours = out.isatty() and not env.get("NO_COLOR")
        plain = structlog.dev.plain_traceback  # the default one shows local variables where rich is installed
        last.append(structlog.dev.ConsoleRenderer(colors=colours, timestamp_key="ts", exception_formatter=plain))
    else:
        last += [structlog.processors.format_exc_info, _write_json]
    finish = _Finish(with_priority=in_journal)
    structlog.configure(
        processors=[*shared, *last, finish.processor],
        logger_factory=lambda: _Lines(out),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(cast("TextIO", _Sink(out)))
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        _LibraryLine(
            finish,
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)


def mask_fields(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: what a field's name says to be a secret or a text is not shown, at any depth."""
    for name, value in line.items():
        if name in _SECRET_FIELDS or type(value) not in _SCALARS:
            line[name] = _mask_value(name, value)
    return line


def mask_text(text: str) -> str:
    """Every number as `+1…23`, and what looks like a secret not at all."""
    lowered = text.lower()
    if not any(sign in lowered for sign in _SIGNS):  # most lines
        return text
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return _NUMBER.sub(lambda found: mask_number(f"+{found[1]}"), text)


def _mask_value(name: str, value: Any) -> Any:
    if name in _SECRET_FIELDS and value:
        return MASKED
    if isinstance(value, Mapping):
        return {key: _mask_value(str(key), each) for key, each in value.items()}
    return value


def _write_json(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> str:
    """What a person looks for stands in the same place in each line."""
    first = {name: line[name] for name in _FIRST if name in line}
    first.update(line)
    if _SCALARS.issuperset(map(type, line.values())):  # most lines
        with contextlib.suppress(ValueError):  # half a surrogate pair
            return to_json(first).decode()
    return _ENCODE(first)


_FIRST: Final = ("ts", "level", "event")
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, default=repr, separators=(",", ":")).encode


def _is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether this very stream is the journal's: a child whose output goes elsewhere inherits the variable.

    https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#%24JOURNAL_STREAM
    """
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class _Stamp:
    """A structlog processor: the time of a line. Lines come many to a second, and the second is written once."""

    def __init__(self) -> None:
        self._second = (-1, "")

    def __call__(self, _logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        second, us = divmod(time.time_ns() // 1000, 1_000_000)
        known, text = self._second
        if second != known:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = (second, text)
        line["ts"] = f"{text}.{us:06d}Z"
        return line


class _Lines:
    """What our own lines are written with, by whatever thread: structlog calls the method named like the level."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def info(self, line: str) -> None:
        """A line that cannot be written (the disk is full, the pipe is closed) is lost; the work it tells of is not."""
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except OSError:
                pass

    debug = warning = error = critical = info


class _Sink:
    """The same for libraries' lines, as a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


class _Finish:
    """What every finished line goes through, whoever wrote it: masked and, for the journal, with its level."""

    def __init__(self, *, with_priority: bool) -> None:
        self._with_priority = with_priority

    def processor(self, _logger: Any, method: str, line: Any) -> str:
        """The last structlog processor of our own lines."""
        return self.line(str(line), method)

    def line(self, text: str, level: str) -> str:
        masked = mask_text(text)
        if not self._with_priority:
            return masked
        priority = _PRIORITIES.get(level, _PRIORITIES["info"])
        return "\n".join(f"<{priority}>{part}" for part in masked.splitlines())


class _LibraryLine(structlog.stdlib.ProcessorFormatter):
    """A line of a library's, in the same form as ours."""

    def __init__(self, finish: _Finish, **rest: Any) -> None:
        super().__init__(**rest)
        self._finish = finish

    def format(self, record: logging.LogRecord) -> str:
        return self._finish.line(super().format(record), record.levelname.lower())
