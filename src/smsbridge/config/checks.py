"""From raw values to settings and adapters, with every problem found in one go.

What is wrong is replaced by something harmless, so that the checks behind it still run; what they then say about the
same key is left out.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, Secret, ValidationError
from pydantic.fields import FieldInfo

from smsbridge.config.problems import Problem
from smsbridge.config.settings import (
    NAMED_TABLES,
    SenderSection,
    Settings,
    keys_of,
    read_duration,
    read_size,
    section_at,
    write_duration,
    write_size,
)
from smsbridge.contracts.carrier import AccountUrls, Carrier
from smsbridge.contracts.desktop import Desktop
from smsbridge.domain.phone import read_own_sender

T = TypeVar("T")

HOOKS_PATH: Final = "/hooks/carriers"
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Findings:
    """The problems so far. Of each key only the first is kept, and none of keys within a broken one."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self.problems = list(problems)

    def add(self, key: str, problem: str, cure: str = "") -> None:
        if not any(key == known.key or key.startswith(f"{known.key}.") for known in self.problems):
            self.problems.append(Problem(key=key, problem=problem, cure=cure))

    def unread_secrets(self, where: str) -> frozenset[str]:
        """The keys of this table whose files could not be read."""
        files = (each.key.removeprefix(f"{where}.") for each in self.problems if each.key.startswith(f"{where}."))
        return frozenset(key.removesuffix("_file") for key in files if key.endswith("_file"))


def validate(raw: dict[str, Any], findings: Findings) -> Settings:
    """Settings in any case: those of wrong values are defaults, and `findings` says which. `raw` is mended in place."""
    if "folder" in raw:
        findings.add("folder", "there is no such key.", "Did you mean data_dir?")
        del raw["folder"]
    desktops = raw.get("desktops")
    if isinstance(desktops, dict) and len(desktops) == 1 and isinstance(raw.setdefault("interactions", {}), dict):
        raw["interactions"].setdefault("desktop", next(iter(desktops)))
    while True:
        try:
            return Settings.model_validate(raw)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                findings.add(*_explain(each))
                _mend(raw, each["loc"])


def cross_check(settings: Settings, findings: Findings) -> None:
    """What only several keys together can get wrong."""
    _check_public_url(settings.public_url, findings)
    for section, names in (("carriers", settings.carriers), ("desktops", settings.desktops)):
        for name in names:
            if not _NAME.fullmatch(name):
                findings.add(f"{section}.{name}", "the name must be lower case letters, digits, - and _.")
    if not settings.carriers:
        findings.add("carriers", "there is no carrier account.", "Add a table [carriers.<name>], as [carriers.twilio].")
    elif not settings.senders:
        findings.add("senders", "there is no number to text from or to.", "Add a table [[senders]].")
    _check_reroutes(settings, findings)
    if settings.interactions.desktop not in settings.desktops:
        _no_such(findings, "interactions.desktop", "desktop", settings.interactions.desktop, settings.desktops)
    numbers: list[str] = []
    for position, sender in enumerate(settings.senders):
        _check_sender(settings, sender, f"senders.{position}", numbers, findings)
        numbers.append(sender.number)
    for name, desktop in settings.desktops.items():
        if desktop.default_sender and desktop.default_sender not in numbers:
            _no_such(findings, f"desktops.{name}.default_sender", "sender", desktop.default_sender, numbers)


def make_carriers(settings: Settings, kinds: Mapping[str, type[Carrier]], findings: Findings) -> dict[str, Carrier]:
    made: dict[str, Carrier] = {}
    for name, account in settings.carriers.items():
        where, kind = f"carriers.{name}", kinds.get(account.type)
        if kind is None:
            _no_such(findings, f"{where}.type", "carrier", account.type, kinds)
            continue
        urls = AccountUrls(webhook=f"{settings.public_url}{HOOKS_PATH}/{name}")
        adapter = _make(account, where, findings, partial(kind.from_settings, urls=urls))
        if adapter is not None:
            made[name] = adapter
    return made


def check_only_senders(settings: Settings, carriers: Mapping[str, Carrier], findings: Findings) -> None:
    """An account that puts its own number in the place of any other gets no other."""
    for position, sender in enumerate(settings.senders):
        account = carriers.get(sender.carrier)
        if account is not None and account.only_sender not in ("", sender.number):
            findings.add(
                f"senders.{position}.number",
                f"the account {sender.carrier} sends from {account.only_sender} alone.",
                "Give this number an account of its own.",
            )


def make_desktops(settings: Settings, kinds: Mapping[str, type[Desktop]], findings: Findings) -> dict[str, Desktop]:
    made: dict[str, Desktop] = {}
    for name, desktop in settings.desktops.items():
        where, kind = f"desktops.{name}", kinds.get(desktop.type)
        if kind is None:
            _no_such(findings, f"{where}.type", "kind of desktop", desktop.type, kinds)
            continue
        adapter = _make(desktop, where, findings, kind.from_settings)
        if adapter is not None:
            made[name] = adapter
    return made


# --- values


def _mend(raw: dict[str, Any], loc: tuple[int | str, ...]) -> None:
    """Takes a wrong value out, or puts an empty text where one is needed."""
    path = list(loc[: 3 if loc[0] in NAMED_TABLES else 2])
    into: Any = raw
    for step in path[:-1]:
        into = into[step]
    section = section_at([str(step) for step in path])
    if section is not None and len(path) == 2:  # a named table, or an element of the list, that is no table
        into[path[-1]] = dict.fromkeys(_required(section), "")
    elif str(path[-1]) in _required(section_at([str(step) for step in path[:-1]])):
        into[path[-1]] = ""
    else:
        del into[path[-1]]


def _required(section: type[BaseModel] | None) -> list[str]:
    return [key for key, field in section.model_fields.items() if field.is_required()] if section else []


def _explain(error: Any) -> tuple[str, str, str]:
    """A pydantic error as key, problem and cure. https://docs.pydantic.dev/latest/errors/validation_errors/"""
    path = [str(step) for step in error["loc"]]
    key, field = ".".join(path), _field_at(path)
    bounds = {
        name: _shown(field, value) for name, value in error.get("ctx", {}).items() if isinstance(value, (int, float))
    }
    match error["type"]:
        case "extra_forbidden":
            known = keys_of(section_at(path[:-1]) or Settings)
            where = f" in [{'.'.join(path[:-1])}]" if path[:-1] else ""
            cure = _near(path[-1], known) or f"There are: {', '.join(known)}."
            if path[:-1] and path[-1] in keys_of(Settings) and Settings.model_fields[path[-1]].annotation is str:
                cure = "It stands before the first [table] of the file."
            return key, f"there is no such key{where}.", cure
        case "missing":
            return key, "is missing.", (field.description or "") if field else ""
        case "literal_error":
            return key, f"must be one of {error['ctx']['expected']}.", ""
        case "greater_than_equal" | "greater_than":
            return key, f"must be {'at least' if 'ge' in bounds else 'more than'} {next(iter(bounds.values()))}.", ""
        case "less_than_equal" | "less_than":
            return key, f"must be {'at most' if 'le' in bounds else 'less than'} {next(iter(bounds.values()))}.", ""
        case "model_type" | "model_attributes_type" | "dict_type" | "mapping_type":
            return key, "must be a table.", ""
        case "tuple_type":
            return key, "must be a list.", ""
        case "int_type" | "int_parsing" | "int_from_float":
            return key, "must be a whole number.", ""
        case "string_type":
            return key, "must be a text in quotes.", ""
        case _:
            words = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
            return key, f"{words[:1].lower()}{words[1:]}.", ""


def _field_at(path: list[str]) -> FieldInfo | None:
    """The field of a dotted path, or of the list that an element is in."""
    for length in (len(path), len(path) - 1):
        section = section_at(path[: length - 1]) if length else None
        if section and path[length - 1] in section.model_fields:
            return section.model_fields[path[length - 1]]
    return None


def _shown(field: FieldInfo | None, value: float) -> str:
    """A bound in the unit that the value is written in."""
    readers = [each.func for each in field.metadata if isinstance(each, BeforeValidator)] if field else []
    if read_duration in readers:
        return write_duration(int(value))
    return write_size(int(value)) if read_size in readers else str(value)


# --- cross-checks


def _check_sender(settings: Settings, sender: SenderSection, where: str, others: list[str], findings: Findings) -> None:
    try:
        canonical = read_own_sender(sender.number)
        if canonical != sender.number:
            findings.add(f"{where}.number", f"write it as {canonical}.")
    except ValueError as error:
        findings.add(f"{where}.number", str(error))
    if sender.number in others:
        findings.add(f"{where}.number", f"{sender.number} is there twice.", "A number has one account and one desktop.")
    if sender.carrier not in settings.carriers:
        _no_such(findings, f"{where}.carrier", "carrier account", sender.carrier, settings.carriers)
    if sender.desktop and sender.desktop not in settings.desktops:
        _no_such(findings, f"{where}.desktop", "desktop", sender.desktop, settings.desktops)


def _check_reroutes(settings: Settings, findings: Findings) -> None:
    for name, account in settings.carriers.items():
        if account.reroute == name:
            findings.add(f"carriers.{name}.reroute", "is this account itself.", "Name another one.")
        elif account.reroute and account.reroute not in settings.carriers:
            _no_such(findings, f"carriers.{name}.reroute", "carrier account", account.reroute, settings.carriers)


def _check_public_url(url: str, findings: Findings) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # the port is read here: it raises when it is no number
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or not url.isprintable() or " " in url:
        findings.add("public_url", "must be an address.", "Like https://sms.example.com.")
    elif parts.username is not None or parts.password is not None:
        findings.add("public_url", "must hold no user and no password.")
    elif parts.query or parts.fragment or url.endswith(("/", "?", "#")):
        findings.add("public_url", "must end without a slash, a query or a fragment.")
    elif parts.scheme == "http" and host not in _LOOPBACK:
        cure = "Plain http is taken for 127.0.0.1 only."
        findings.add("public_url", "must be https: texts of people are sent to it.", cure)


def _no_such(findings: Findings, key: str, what: str, given: str, known: Iterable[str]) -> None:
    names = list(known)
    cure = _near(given, names) or (f"There are: {', '.join(names)}." if names else "There is none.")
    findings.add(key, f"there is no {what} {given!r}.", cure)


def _near(given: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else ""


# --- adapters


def _make(section: BaseModel, where: str, findings: Findings, make: Callable[[dict[str, Any]], T]) -> T | None:
    unread = findings.unread_secrets(where)
    own = {
        key: "unread" if key in unread else value.get_secret_value() if isinstance(value, Secret) else value
        for key, value in (section.model_extra or {}).items()
    }
    try:
        return make(own)
    except ValueError as error:
        for line in str(error).splitlines():
            key, _, words = line.partition(":")
            if key.strip() in unread:
                continue
            findings.add(f"{where}.{key.strip()}", f"{words.strip() or line}.", _suggest(key, words, own, section))
        return None


def _suggest(key: str, words: str, own: Mapping[str, Any], section: BaseModel) -> str:
    """An adapter lists the keys it knows when it is given one that it does not: one of them may have been meant."""
    if key not in own or "," not in words:
        return ""
    listed = {word for word in re.findall(r"[a-z_]+", words) if "_" in word or len(word) > 3}
    known = listed | set(type(section).model_fields)
    near = difflib.get_close_matches(key, known - {key}, n=1, cutoff=0.8)
    return f"Did you mean {near[0]}?" if near and key not in listed else ""
