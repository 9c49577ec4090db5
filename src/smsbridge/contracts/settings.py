"""How an adapter reads its table of the configuration: each key by a reader of its own, all problems told together.

A reader gives the value, or raises ValueError with `what is wrong; what would be right`, which never quotes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeGuard
from urllib.parse import SplitResult, urlsplit

Reader = Callable[[object], Any]


def read_settings(settings: Mapping[str, Any], readers: Mapping[str, Reader]) -> tuple[dict[str, Any], list[str]]:
    """What could be read, by key, and what could not, each `key: problem`. An empty text is a setting not set."""
    made: dict[str, Any] = {}
    problems = [f"{key}: is no setting here; there are {', '.join(readers)}" for key in settings if key not in readers]
    for key, read in readers.items():
        value = settings.get(key)
        if value is None or value == "":
            continue
        try:
            made[key] = read(value)
        except ValueError as error:
            problems.append(f"{key}: {error}")
    return made, problems


def reader_of_text(pattern: str, cure: str, *, problem: str = "does not look like one") -> Reader:
    """For a text that is like `pattern` as a whole."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(f"{problem}; {cure}")
        return value

    return read


def reader_of_word(*words: str) -> Reader:
    """For one word of a few."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"is no word that is known here; give one of {', '.join(words)}")
        return value

    return read


def reader_of_number(least: int, most: int, unit: str) -> Reader:
    """For a whole number of `seconds` or `minutes`, both ends included."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"is out of range; give whole {unit} from {least} to {most}")
        return value

    return read


def read_secret(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise ValueError("is not a text without blanks and line ends; give the secret alone")
    return value


def read_switch(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError("is neither true nor false; give one of them, without quotes")


def read_url_secret(value: object) -> str:
    """A secret of ours that stands in a URL: nothing in it needs escaping anywhere."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{16,128}", value):
        raise ValueError(
            "is not safe in a URL; give 16 to 128 letters, digits, - or _, as `openssl rand -hex 24` makes"
        )
    return value


def read_base_url(value: object) -> str:
    """`https://host` or `https://host:port`, to which an adapter adds its paths."""
    cure = "give https:// and a host with nothing behind it (http:// for this computer alone)"
    parts = _read_address(value.rstrip("/") if isinstance(value, str) else "", cure)
    if parts.path:
        raise ValueError(f"is more or less than an address; {cure}")
    return parts.geturl()


def read_url(value: object) -> str:
    """An address that credentials are sent to as it stands: with a path, and without a query."""
    cure = "give https://, a host and a path (http:// for this computer alone)"
    return _read_address(value if isinstance(value, str) else "", cure).geturl()


def _read_address(text: str, cure: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port  # the port is read here: it raises when it is no number
    except ValueError:
        raise ValueError(f"is no URL; {cure}") from None
    if not host or not re.fullmatch(r"[!-~]+", text) or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"is more or less than an address; {cure}")
    if parts.scheme != "https" and not (parts.scheme == "http" and LOOPBACK.fullmatch(host)):
        raise ValueError(f"would send credentials in the clear; {cure}")
    return parts


def read_hosts(value: object) -> tuple[str, ...]:
    """Hosts as a `wire.http.Fetch` names them: `name` or `name:port`, `*.` for any level."""
    if not is_list_of_texts(value) or not all(_MEDIA_HOST.fullmatch(host) for host in value):
        raise ValueError('is not a list of host names; like ["media.example.net"], where *. stands for any level')
    return tuple(value)


def loopback_hosts(hosts: Sequence[str]) -> tuple[str, ...]:
    """Those of `read_hosts` that are this computer."""
    return tuple(host for host in hosts if LOOPBACK.fullmatch(host.partition(":")[0]))


def is_list_of_texts(value: object) -> TypeGuard[Sequence[str]]:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)


_MEDIA_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]{1,5})?|localhost:[0-9]{1,5}")
LOOPBACK: Final = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1")
"""The hosts that are this computer."""
