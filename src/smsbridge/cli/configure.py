"""init, check-config and config."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from smsbridge.cli.shared import (
    EXIT_CONFIG,
    Stopped,
    as_json,
    load_config,
    print_checks,
    print_json,
    print_problems,
    print_warnings,
    read_config,
    with_config,
)
from smsbridge.config import ConfigProblems, Loaded, Problem
from smsbridge.config.docs import write_example
from smsbridge.config.show import show_settings
from smsbridge.config.starter import Start, write_start
from smsbridge.provisioning.check import is_healthy
from smsbridge.provisioning.machine import check_data_dir


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--public-url", help="How Twilio will reach the bridge, as https://sms.example.com.")
@click.option("--account-sid", help="The Twilio account: AC and 32 hexadecimal digits.")
@click.option("--auth-token-file", type=click.File(), help="A file with its auth token; - reads standard input.")
@click.option("--number", help="Your number there, as +15005550006.")
@click.option("--desktop-url", help="Your agent system's webhook; none: the built-in desk.")
@click.option("--no-input", is_flag=True, help="Ask nothing; what is not given is left to fill in.")
def init(
    *,
    folder: Path,
    public_url: str | None,
    account_sid: str | None,
    auth_token_file: Any,
    number: str | None,
    desktop_url: str | None,
    no_input: bool,
) -> None:
    """Write a smsbridge.toml, and .env for the secrets, into FOLDER. Nothing is overwritten."""
    asks = not no_input and sys.stdin.isatty()

    def answer(given: str | None, question: str, default: str = "", *, hidden: bool = False) -> str:
        if given is not None or not asks:
            return (given or default).strip()
        asked: str = click.prompt(question, default=default, hide_input=hidden, show_default=bool(default), err=True)
        return asked.strip()

    start = Start(
        public_url=answer(public_url, "Public address of the bridge", _NOBODYS_URL).rstrip("/"),
        account_sid=answer(account_sid, "Twilio account SID"),
        auth_token=answer(
            auth_token_file.read() if auth_token_file else None, "Twilio auth token (not shown)", hidden=True
        ),
        number=answer(number, "Your number there (+1...)"),
        desktop_url=answer(desktop_url, "Webhook of your agent system (empty: the built-in desk)"),
    )
    try:
        file, dotenv = write_start(folder, start)
    except FileExistsError as error:
        words = f"{error.filename} is there already and is left as it is. Choose another folder, or move it away."
        raise Stopped(words) from None
    except OSError as error:
        raise Stopped(f"{error.filename} cannot be written: {error.strerror}.") from None
    click.echo(f"Wrote {file}\nWrote {dotenv} (secrets, mode 0600)\n\nNext:")
    if not (start.account_sid and start.auth_token and start.number):
        click.echo("  fill in what is missing in both")
    if start.public_url == _NOBODYS_URL and public_url is None:
        click.echo(f"  set public_url in {file}: it is an example, and Twilio has to reach this bridge by it")
    click.echo(f"  smsbridge check-config {file}\n  smsbridge serve --config {file}")
    click.echo(f"  smsbridge connect twilio --config {file}    # in another terminal")


@click.command("check-config")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@with_config
@click.option("--offline", is_flag=True, help="Only read the files; do not try the data folder.")
@as_json
def check_config(*, file: Path | None, config: Path | None, offline: bool, as_json: bool) -> None:
    """Tell everything that is wrong with the configuration, each with its place and its cure."""
    try:
        loaded = read_config(file or config)
    except ConfigProblems as error:
        if as_json:
            problems, warnings = ([_show(each) for each in told] for told in (error.problems, error.warnings))
            print_json({"valid": False, "problems": problems, "warnings": warnings})
        else:
            print_problems(error)
        sys.exit(EXIT_CONFIG)
    checks = [] if offline else check_data_dir(loaded.settings.data_path)
    if as_json:
        told = [
            Problem(key=each.name, problem=each.detail, cure=each.cure) for each in checks if each.verdict == "fail"
        ]
        warnings = [_show(each) for each in loaded.warnings]
        print_json({"valid": not told, "problems": [_show(each) for each in told], "warnings": warnings})
    else:
        print_warnings(loaded.warnings)
        print_checks(check for check in checks if check.verdict != "ok")
    if not is_healthy(checks):
        sys.exit(EXIT_CONFIG)
    if not as_json:
        click.echo("Configuration is valid.")
        for name, words in _summary(loaded):
            click.echo(f"  {name:<10}{words}")


@click.group("config")
def config_group() -> None:
    """Look at the settings."""


@config_group.command("show")
@with_config
@click.option("--origin", is_flag=True, help="Say with each value where it comes from.")
@as_json
def show_config(*, config: Path | None, origin: bool, as_json: bool) -> None:
    """Print every setting in force. Secrets are hidden."""
    shown = show_settings(load_config(config))
    if as_json:
        print_json({key: {"value": value, "origin": where} if origin else value for key, value, where in shown})
        return
    for key, value, where in shown:
        click.echo(f"{key} = {value}" + (f"    # {where}" if origin else ""))


@config_group.command("example")
def example_config() -> None:
    """Print a configuration file with every key explained."""
    click.echo(write_example(), nl=False)


COMMANDS: Final = {"init": init, "check-config": check_config, "config": config_group}
_NOBODYS_URL: Final = "https://sms.example.com"


def _show(problem: Problem) -> dict[str, Any]:
    return {
        "key": problem.key,
        "problem": problem.problem,
        "cure": problem.cure,
        "source": problem.source,
        "line": problem.line or None,
    }


def _summary(loaded: Loaded) -> Iterator[tuple[str, str]]:
    settings = loaded.settings
    yield "public", settings.public_url
    yield "listens", f"{settings.server.host}:{settings.server.port}"
    yield "data", str(settings.data_path)
    yield "carriers", ", ".join(f"{name} ({section.type})" for name, section in settings.carriers.items())
    yield "senders", ", ".join(sender.number for sender in settings.senders)
    yield "desktops", ", ".join(f"{name} ({section.type})" for name, section in settings.desktops.items())
