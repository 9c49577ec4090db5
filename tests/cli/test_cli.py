"""Every command says what it did, or what is wrong and what to do, and ends with the code that its page promises."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from smsbridge import __version__
from smsbridge.cli import VERBS, main
from smsbridge.config.starter import Start, write_start

ROOT = Path(__file__).parents[2]
SID = "AC" + "0" * 32


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, (*path, name))
    if path:
        yield path, command


COMMANDS = dict(walk(main))


# --- what there is


def test_help_is_quick_because_it_loads_next_to_nothing() -> None:
    heavy = ["aiohttp", "asyncio", "httpx", "phonenumbers", "PIL", "pydantic", "structlog", "twilio"]
    code = (
        "import sys; from click.testing import CliRunner; from smsbridge.cli import main;"
        "assert 'check-config' in CliRunner().invoke(main, ['--help']).output;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_table_of_verbs_is_what_the_modules_have() -> None:
    modules = {module for module, _ in VERBS.values()}
    there = {name: module for module in modules for name in import_module(f"smsbridge.cli.{module}").COMMANDS}
    assert there == {name: module for name, (module, _) in VERBS.items()}


def test_every_command_and_every_option_is_on_the_page() -> None:
    page = (ROOT / "docs/cli.md").read_text("utf-8")
    for path, command in COMMANDS.items():
        assert f"smsbridge {' '.join(path)}" in page, path
        for option in command.params:
            if isinstance(option, click.Option) and "--config" not in option.opts and "--json" not in option.opts:
                assert f"`{option.opts[0]}" in page, (path, option.opts)


def test_no_help_is_missing_or_cut_off() -> None:
    for path, command in COMMANDS.items():
        shown = CliRunner().invoke(main, [*path, "--help"]).output
        assert not [line for line in shown.splitlines() if line.endswith("...") and not line.startswith("Usage:")], path
        for option in command.params:
            assert not isinstance(option, click.Option) or option.help, (path, option.opts)


def test_the_page_names_no_command_that_does_not_exist() -> None:
    """Nor does any other page."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    named = {
        (page.name, words)
        for page in pages
        for words in re.findall(
            r"(?<![\w/.-])smsbridge (?!smsbridge )((?:[a-z]+(?:-[a-z]+)*)(?: [a-z]+(?:-[a-z]+)*)?)", _code(page)
        )
    }
    assert len(named) > 30
    for page, words in named:
        first, _, second = words.partition(" ")
        assert (first,) in COMMANDS, f"{page}: smsbridge {words}"
        if isinstance(COMMANDS[(first,)], click.Group) and second:
            assert (first, second) in COMMANDS, f"{page}: smsbridge {words}"


def _code(page: Path) -> str:
    """What is set as code: in prose the name stands before any word."""
    text = page.read_text("utf-8").replace("-u smsbridge ", "")
    fenced = re.findall(r"```.*?```", text, re.DOTALL)
    indented = re.findall(r"^    .*$", text, re.MULTILINE)
    return "\n".join([*fenced, *indented, *re.findall(r"`[^`\n]+`", text)])


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_a_first_line(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert COMMANDS[path].help


def test_an_unknown_command_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["serv"]).exit_code == 2


def test_version_tells_what_runs() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"smsbridge {__version__}\n"
    assert json.loads(CliRunner().invoke(main, ["version", "--json"]).output)["smsbridge"] == __version__


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands(shell: str) -> None:
    assert "_SMSBRIDGE_COMPLETE" in CliRunner().invoke(main, ["completion", shell]).output


# --- configuration


@pytest.mark.parametrize("command", ["serve", "check-config", "doctor", "readyz"])
def test_without_a_configuration_it_says_where_to_begin(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SMSBRIDGE_CONFIG", raising=False)
    result = CliRunner().invoke(main, [command])
    assert result.exit_code == 78
    assert "smsbridge.toml, /etc/smsbridge/smsbridge.toml" in result.stderr
    assert "smsbridge init" in result.stderr
    assert "smsbridge demo" in result.stderr


def test_who_must_not_read_the_configuration_is_told_as_whom_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of a user who may not enter /etc/smsbridge: these tests may run as root, who may."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "exists", refuse)
    monkeypatch.setattr(Path, "read_text", refuse)
    result = CliRunner().invoke(main, ["readyz"])
    assert result.exit_code == 78, result.output
    assert "smsbridge.toml: must not be read by you. Run this as the user that runs the bridge." in result.stderr


def test_a_variable_that_nobody_reads_is_told_beside_what_it_leaves_missing(tmp_path: Path) -> None:
    CliRunner().invoke(main, ["init", str(tmp_path), "--account-sid", SID, "--number", "+15005550006", "--no-input"])
    (tmp_path / ".env").write_text("SMSBRIDGE_CARRIERS__TWILIO__AUTH_TOKEN=token\n")
    wrong = ["check-config", str(tmp_path / "smsbridge.toml")]
    result = CliRunner().invoke(main, wrong)
    assert result.exit_code == 78
    assert "carriers.twilio.auth_token: is missing" in result.stderr
    assert "Warning: .env: SMSBRIDGE_CARRIERS__TWILIO__AUTH_TOKEN: is not read." in result.stderr
    (warning,) = json.loads(CliRunner().invoke(main, [*wrong, "--json"]).stdout)["warnings"]
    assert warning["key"] == "SMSBRIDGE_CARRIERS__TWILIO__AUTH_TOKEN"


def test_a_configuration_in_the_environment_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {
        "SMSBRIDGE__DATA_DIR": str(tmp_path),
        "SMSBRIDGE__CARRIERS__TWILIO__TYPE": "twilio",
        "SMSBRIDGE__CARRIERS__TWILIO__ACCOUNT_SID": SID,
        "SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN": "token",
        "SMSBRIDGE__SENDERS__0__NUMBER": "+15005550006",
        "SMSBRIDGE__SENDERS__0__CARRIER": "twilio",
    }
    result = CliRunner(env=environment).invoke(main, ["check-config"])
    assert result.exit_code == 0, result.output
    assert "Configuration is valid." in result.stdout


def test_init_writes_what_check_config_takes(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("canary$token\n")
    folder = tmp_path / "new"
    given = ["--public-url", "https://sms.example.com/", "--account-sid", SID, "--number", "+15005550006"]
    given += ["--auth-token-file", str(token), "--desktop-url", "https://crm.example.com/sms"]
    result = CliRunner().invoke(main, ["init", str(folder), *given])
    assert result.exit_code == 0, result.output
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert "canary" not in result.output + (folder / "smsbridge.toml").read_text()
    checked = CliRunner().invoke(main, ["check-config", str(folder / "smsbridge.toml")])
    assert checked.exit_code == 0, checked.output
    assert "crm (webhook)" in checked.stdout
    for line in result.stdout.partition("Next:")[2].split("\n"):
        assert not line or str(folder / "smsbridge.toml") in line  # each can be typed where init was


def test_init_says_that_an_address_that_nobody_gave_is_an_example(tmp_path: Path) -> None:
    given = ["--account-sid", SID, "--number", "+15005550006", "--auth-token-file", "-"]
    result = CliRunner().invoke(main, ["init", str(tmp_path), *given], input="canary-token")
    assert f"set public_url in {tmp_path / 'smsbridge.toml'}: it is an example" in result.stdout
    assert "fill in" not in result.stdout


@pytest.mark.parametrize("token", ["plain", "it's $HOME", "a\\b#c", '"quoted"', " # ", "=", "${x}"])
def test_init_writes_a_secret_so_that_it_reads_back(tmp_path: Path, token: str) -> None:
    write_start(tmp_path, Start(public_url="https://sms.example.com", auth_token=token))
    read = dotenv_values(tmp_path / ".env", interpolate=False)
    assert read["SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN"] == token


def test_init_makes_a_new_secret_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        CliRunner().invoke(main, ["init", str(tmp_path / name), "--desktop-url", "https://crm.example.com"])
    one, two = ((tmp_path / name / ".env").read_text() for name in ("one", "two"))
    secrets = [re.findall(r"whsec_(\S{44})$", text, re.MULTILINE) for text in (one, two)]
    assert len(secrets[0]) == len(secrets[1]) == 1
    assert secrets[0] != secrets[1]


@pytest.mark.parametrize("there", ["smsbridge.toml", ".env"])
def test_init_never_overwrites(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    result = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert result.exit_code == 1
    assert f"{there} is there already" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_check_config_tells_every_problem(place: Any) -> None:
    place.file.write_text(place.file.read_text() + 'desktop = "dsk"\nrat = 3\n')
    result = place.run("check-config")
    assert result.exit_code == 78
    assert f"{place.file}:10: senders.0.desktop: there is no desktop 'dsk'. Did you mean desk?" in result.stderr
    assert f"{place.file}:11: senders.0.rat: there is no such key in [senders.0]. Did you mean rate?" in result.stderr
    assert "2 problems" in result.stderr
    answer = json.loads(place.run("check-config", "--json").stdout)
    assert answer["valid"] is False
    assert [(problem["key"], problem["line"]) for problem in answer["problems"]] == [
        ("senders.0.desktop", 10),
        ("senders.0.rat", 11),
    ]


def test_check_config_tries_the_data_folder_unless_it_is_offline(configured: Callable[[str], Any]) -> None:
    place = configured("")
    (place.folder / "data").write_text("a file")
    result = place.run("check-config")
    assert result.exit_code == 78
    assert "data is a file" in result.stdout
    assert "Configuration is valid." not in result.stdout
    assert json.loads(place.run("check-config", "--json").stdout)["valid"] is False
    assert place.run("check-config", "--offline").exit_code == 0


def test_config_show_hides_secrets_and_tells_origins(place: Any) -> None:
    shown = place.run("config", "show", "--origin", SMSBRIDGE__LOG__LEVEL="debug").stdout
    assert 'carriers.twilio.auth_token = "********"    # SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN in .env' in shown
    assert "a-token-of-tests" not in shown
    assert 'log.level = "debug"    # SMSBRIDGE__LOG__LEVEL' in shown
    assert f'senders.0.number = "+15005550006"    # {place.file}:8' in shown
    assert 'media.hold = "1m"    # default' in shown
    assert "a-token-of-tests" not in place.run("config", "show", "--json").stdout


def test_config_example_is_the_file_of_the_repository() -> None:
    assert CliRunner().invoke(main, ["config", "example"]).stdout == (ROOT / "config/smsbridge.toml").read_text()


# --- outside


def test_doctor_tells_what_is_wrong_and_fails(configured: Callable[[str], Any]) -> None:
    place = configured("")
    text = place.file.read_text().replace("[[senders]]", 'api_url = "http://127.0.0.1:9"\n[[senders]]')
    place.file.write_text(text)
    result = place.run("doctor")
    assert result.exit_code == 1
    assert re.search(r"^fail  account: twilio: ", result.stdout, re.MULTILINE)
    assert "      → " in result.stdout
    assert "a-token-of-tests" not in result.output
    checks = json.loads(place.run("doctor", "--json").stdout)
    assert {"name", "verdict", "detail", "cure"} == set(checks[0])


def test_connect_needs_a_running_bridge_and_an_account_that_exists(place: Any) -> None:
    result = place.run("connect", "twilio")
    assert (result.exit_code, "smsbridge serve" in result.stderr) == (69, True)
    result = place.run("connect", "vonage")
    assert result.exit_code == 1
    assert "There are: twilio." in result.stderr


def test_connect_writes_out_what_to_click(place: Any) -> None:
    result = place.run("connect", "twilio", "--print", "--number", "+15005550006")
    assert result.exit_code == 0
    assert "http://127.0.0.1:8398/hooks/carriers/twilio" in result.stdout


def test_of_other_carriers_connect_tells_what_to_set(configured: Callable[[str], Any]) -> None:
    place = configured("")
    telnyx = f'[carriers.other]\ntype = "telnyx"\napi_key = "KEY-of-tests"\npublic_key = "{"A" * 43}="\n[[senders]]'
    place.file.write_text(place.file.read_text().replace("[[senders]]", telnyx, 1))
    result = place.run("connect", "other")
    assert result.exit_code == 0, result.output
    assert "1. portal.telnyx.com, Messaging" in result.stdout
    assert "/hooks/carriers/other" in result.stdout
    assert "docs/carriers/telnyx.md" in result.stdout
    assert "KEY-of-tests" not in result.output
    for command in (
        ["connect", "other", "--test-to", "+14155550123"],
        ["disconnect", "other"],
        ["numbers", "list", "other"],
    ):
        result = place.run(*command)
        assert result.exit_code == 1
        assert "Traceback" not in result.stderr


def test_readyz_says_who_does_not_answer(place: Any) -> None:
    result = place.run("readyz", "--url", "http://127.0.0.1:9", "--timeout", "1")
    assert result.exit_code == 69
    assert "http://127.0.0.1:9/readyz does not answer" in result.stderr
    assert place.run("readyz", "--url", "file:///etc/passwd").exit_code == 2


def test_causes_prints_what_the_codes_of_a_carrier_mean() -> None:
    told = CliRunner().invoke(main, ["causes", "twilio", "--json"])
    assert told.exit_code == 0
    row = next(row for row in json.loads(told.output) if row["code"] == "30007")
    assert (row["carrier"], row["cause"], row["may_work_later"]) == ("twilio", "filtered", False)
    assert CliRunner().invoke(main, ["causes", "pigeon"]).exit_code == 2
