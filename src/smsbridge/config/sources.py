"""Where settings come from. Each source is one layer of values that know where they stood; a later layer wins.

In order: the TOML file, `.env` beside it, systemd's credentials, the environment, flags. Secrets given as `<key>_file`
are read here, in their own layer, so that a secret in the environment wins over a file named in the TOML.
"""

from __future__ import annotations

import io
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values
from pydantic import Secret

from smsbridge.config.problems import ConfigProblems, Problem

ENV_PREFIX: Final = "SMSBRIDGE__"
ADAPTER_TABLES: Final = ("carriers", "desktops")
"""The tables with keys that belong to adapters, secrets among them."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value stood: `smsbridge.toml` and its line, or a variable's name."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(slots=True)
class Layer:
    """One source's values as nested tables, and the origin of each by dotted key."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)


@dataclass(slots=True)
class Sources:
    """Everything that was found, the strongest on top, before anything is checked."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def locate(self, problem: Problem) -> Problem:
        """With the place of its key, of what stands within it, or of the nearest table around it. An account of which a
        variable alone speaks is found there: its name may be misspelt in it."""
        steps = problem.key.split(".")
        around = [".".join(steps[:length]) for length in range(len(steps) - 1, 0, -1)]
        account = self._keys_within(".".join(steps[:2])) if steps[0] in ADAPTER_TABLES else []
        places = (problem.key, *self._keys_within(problem.key), *around, *account, "")
        origin = next((self.origins[key] for key in places if key in self.origins), None)
        if origin is None or problem.source:
            return problem
        return replace(problem, line=origin.line, source=origin.source)

    def _keys_within(self, table: str) -> list[str]:
        return [key for key in self.origins if key.startswith(f"{table}.")]


def read_sources(
    file: Path | None, *, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Sources:
    """Raises ConfigProblems for a file that cannot be read at all."""
    folder = file.parent if file else Path()
    found = Sources()
    layers = [_read_file(file)] if file else []
    names = {section: tuple(_tables(layers[0].values, section) if layers else ()) for section in ADAPTER_TABLES}
    dotenv = _read_dotenv(folder / ".env", found.problems)
    layers.append(_read_variables(dotenv, names, " in .env"))
    layers.append(_read_credentials(environment.get("CREDENTIALS_DIRECTORY", ""), found.problems))
    layers.append(_read_variables(environment, names, ""))
    layers.append(_read_overrides(overrides or {}))
    found.warnings.extend([*_misspelt(dotenv, ".env"), *_misspelt(environment, "environment")])
    for layer in layers:
        _read_secret_files(layer, folder, environment.get("CREDENTIALS_DIRECTORY", ""), found)
        _overlay(found.values, layer.values)
        found.origins.update(layer.origins)
    _hide_secrets(found.values)
    return found


def is_public(key: str) -> bool:
    """Whether an adapter's key may be shown. Whatever is not known to be harmless is hidden."""
    return _PUBLIC.search(key) is not None


_PUBLIC: Final = re.compile(r"_url$|_sid$|_hosts$|^events$|^type$")


# --- the file


def _read_file(file: Path) -> Layer:
    try:
        text = file.read_text("utf-8")
    except PermissionError:
        cure = "Run this as the user that runs the bridge."
        raise ConfigProblems([Problem(key=str(file), problem="must not be read by you.", cure=cure)]) from None
    except OSError as error:
        cure = "Name another with --config, write one with `smsbridge init`, or try `smsbridge demo`, which needs none."
        raise ConfigProblems(
            [Problem(key=str(file), problem=f"cannot be read: {error.strerror}.", cure=cure)]
        ) from None
    except UnicodeDecodeError:
        raise ConfigProblems([Problem(key=str(file), problem="is not UTF-8 text.")]) from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else len(text.splitlines())
        problem = Problem(key="TOML", problem=f"{error}.", cure="See https://toml.io.", line=line, source=str(file))
        raise ConfigProblems([problem]) from None
    lines = lines_of(text)
    return Layer(values, {"": Origin(str(file)), **{key: Origin(str(file), line) for key, line in lines.items()}})


_HEADER: Final = re.compile(r"^\s*\[(\[)?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_STEP: Final = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_KEY: Final = re.compile(rf"^\s*({_STEP}(?:\s*\.\s*{_STEP})*)\s*=")
_LONG_QUOTE: Final = re.compile(r"\"\"\"|'''")


def lines_of(text: str) -> dict[str, int]:
    """The line of each dotted key of a valid TOML text, elements of `[[lists]]` counted from 0."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table, within = "", ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not within:
            if header := _HEADER.match(line):
                table = _plain(header[2])
                if header[1]:
                    position = counts.get(table, 0)
                    counts[table] = position + 1
                    table = f"{table}.{position}"
                lines.setdefault(table, number)
            elif key := _KEY.match(line):
                lines.setdefault(f"{table}.{_plain(key[1])}" if table else _plain(key[1]), number)
        for quote in _LONG_QUOTE.findall(line):
            within = quote if not within else ("" if quote == within else within)
    return lines


def _plain(key: str) -> str:
    return re.sub(r"[\"'\s]", "", key)


# --- variables


def _read_dotenv(file: Path, problems: list[Problem]) -> dict[str, str]:
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        problems.append(Problem(key=str(file), problem=f"cannot be read: {words}.", cure=f"chown or remove {file}."))
        return {}
    # Without interpolation: a secret may hold a dollar sign.
    return {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text), interpolate=False).items()}


def _read_variables(variables: Mapping[str, str], names: Mapping[str, tuple[str, ...]], where: str) -> Layer:
    """`SMSBRIDGE__SECTION__KEY` twins. A value that is JSON (true, a list, a table) is taken as such, an empty one is
    none: that is how compose files and our own `.env` leave one out."""
    layer = Layer()
    for variable, value in sorted(variables.items()):
        if variable.startswith(ENV_PREFIX) and value:
            path = variable[len(ENV_PREFIX) :].lower().split("__")
            if path[0] in names and len(path) > 1:
                # A variable's name has no hyphen: TWILIO_US is the account twilio-us where there is one.
                path[1] = next((name for name in names[path[0]] if name.replace("-", "_") == path[1]), path[1])
            _put(layer, path, _read_value(path[-1], value), Origin(variable + where))
    return layer


def _read_value(key: str, value: str) -> Any:
    if value.isdecimal() and _UNIT.search(key):
        return int(value)
    if value[:1] in {"[", "{"} or value in {"true", "false"}:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


_UNIT: Final = re.compile(r"_(s|ms|bytes)$")
"""Adapters' keys that are numbers say so by their unit; a token may be all digits and stays a text."""


def _misspelt(variables: Mapping[str, str], source: str) -> Iterator[Problem]:
    """One underscore instead of two would otherwise be overlooked in silence."""
    for variable in sorted(variables):
        if variable.startswith("SMSBRIDGE_") and not variable.startswith(ENV_PREFIX) and variable != "SMSBRIDGE_CONFIG":
            cure = f"Settings begin with {ENV_PREFIX}, with two underscores between section and key."
            yield Problem(key=variable, problem="is not read.", cure=cure, source=source)


def _read_credentials(directory: str, problems: list[Problem]) -> Layer:
    """A credential called like a key (`carriers.twilio.auth_token`) is that key.

    https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#LoadCredential=ID:PATH
    """
    layer = Layer()
    for file in sorted(Path(directory).iterdir()) if directory and Path(directory).is_dir() else ():
        path = file.name.split(".")
        if (path[0] in ADAPTER_TABLES and len(path) == 3) or path == ["store", "url"]:
            value = _read_secret(file, f"credential {file.name}", problems)
            _put(layer, path, value, Origin(f"credential {file.name}"))
    return layer


def _read_overrides(overrides: Mapping[str, Any]) -> Layer:
    layer = Layer()
    for key, value in overrides.items():
        _put(layer, key.split("."), value, Origin("command line"))
    return layer


def _put(layer: Layer, path: list[str], value: Any, origin: Origin) -> None:
    into = layer.values
    for step in path[:-1]:
        below = into.setdefault(step, {})
        if not isinstance(below, dict):
            below = into[step] = {}
        into = below
    into[path[-1]] = value
    layer.origins[".".join(path)] = origin


def _overlay(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        below = under.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            _overlay(below, value)
        elif isinstance(value, dict) and value and all(step.isdecimal() for step in value):
            under[key] = _overlay_list(below if isinstance(below, list) else [], value)
        else:
            under[key] = value


def _overlay_list(under: list[Any], over: Mapping[str, Any]) -> list[Any]:
    """`SMSBRIDGE__SENDERS__0__NUMBER`: an element of a list, counted from 0; the next one adds to it."""
    merged = list(under)
    for step in sorted(over, key=int):
        position, value = min(int(step), len(merged)), over[step]
        if position == len(merged):
            merged.append(value)
        elif isinstance(merged[position], dict) and isinstance(value, dict):
            merged[position] = {**merged[position], **value}
        else:
            merged[position] = value
    return merged


# --- secrets


def _read_secret_files(layer: Layer, folder: Path, credentials: str, found: Sources) -> None:
    """`auth_token_file = "..."` becomes `auth_token`. A name without a slash is looked for among systemd's credentials
    first."""
    for name, table in _tables_with_secrets(layer.values).items():
        for key in [key for key in table if key.endswith("_file")]:
            plain, where = key.removesuffix("_file"), f"{name}.{key}"
            path = _secret_path(str(table.pop(key)), folder, credentials)
            if plain in table:
                problem = Problem(key=where, problem=f"stands beside {plain}.", cure="Keep one of them.")
                found.problems.append(problem)
                continue
            table[plain] = _read_secret(path, where, found.problems)
            layer.origins[f"{name}.{plain}"] = layer.origins.get(where, Origin(where))
            if path.is_file() and path.stat().st_mode & 0o027 and not path.is_relative_to(credentials or "/dev/null"):
                problem = Problem(key=where, problem=f"{path} is open to others.", cure=f"chmod 600 {path}")
                found.warnings.append(problem)


def _tables_with_secrets(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = {
        f"{section}.{name}": table for section in ADAPTER_TABLES for name, table in _tables(values, section).items()
    }
    store = values.get("store")
    return {**found, "store": store} if isinstance(store, dict) else found


def _secret_path(value: str, folder: Path, credentials: str) -> Path:
    if credentials and "/" not in value and (Path(credentials) / value).exists():
        return Path(credentials) / value
    return folder / value


def _read_secret(file: Path, where: str, problems: list[Problem]) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        problems.append(Problem(key=where, problem=f"{file} cannot be read: {words}."))
        return ""


def _hide_secrets(values: dict[str, Any]) -> None:
    """From here on no repr, dump or traceback shows what may be a secret."""
    for section in ADAPTER_TABLES:
        for table in _tables(values, section).values():
            for key, value in table.items():
                if isinstance(value, (str, dict)) and value and not is_public(key) and key not in _OUR_KEYS:
                    table[key] = Secret(value)
    store = values.get("store")
    if isinstance(store, dict) and isinstance(store.get("url"), str):
        store["url"] = Secret(store["url"])


_OUR_KEYS: Final = frozenset(
    {"type", "verification", "timeout", "concurrency", "lookup", "reroute", "reroute_causes", "default_sender"}
)


def _tables(values: Mapping[str, Any], section: str) -> dict[str, dict[str, Any]]:
    """The tables within a table; what is no table is left for validation to complain about."""
    found = values.get(section)
    if not isinstance(found, dict):
        return {}
    return {name: table for name, table in found.items() if isinstance(table, dict)}
