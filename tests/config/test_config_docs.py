"""The reference of the settings is written from the settings, and is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smsbridge.carriers import load_carriers
from smsbridge.config import Settings, load
from smsbridge.config.docs import EXAMPLE, REFERENCE, write_example, write_reference
from smsbridge.config.settings import NAMED_TABLES, section_at
from smsbridge.desktops import load_desktops

ROOT = Path(__file__).parents[2]
SECRETS = {
    "SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN": "0" * 32,
    "SMSBRIDGE__DESKTOPS__CRM__SECRET": "whsec_" + "QUJD" * 10,
}
COMMENTED_OUT = re.compile(r"^# (?=[a-z_]+ = |\[desktops)", re.MULTILINE)


@pytest.mark.parametrize(("file", "written"), [(EXAMPLE, write_example()), (REFERENCE, write_reference())])
def test_the_files_are_as_the_settings_say(file: Path, written: str) -> None:
    """After a change of a setting: python -m smsbridge.config.docs"""
    assert (ROOT / file).read_text("utf-8") == written


def test_the_example_works_with_its_secrets() -> None:
    environment = {key: value for key, value in SECRETS.items() if "CARRIERS" in key}
    loaded = load(ROOT / EXAMPLE, carriers=load_carriers(), desktops=load_desktops(), environment=environment)
    assert loaded.settings.public_url == "https://sms.example.com"
    assert list(loaded.settings.desktops) == ["desk"]


def test_what_the_example_shows_commented_out_are_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    file.write_text(COMMENTED_OUT.sub("", write_example()), "utf-8")
    chosen = SECRETS | {"SMSBRIDGE__INTERACTIONS__DESKTOP": "crm"}  # the example's only desktop
    loaded = load(file, carriers=load_carriers(), desktops=load_desktops(), environment=chosen).settings
    default = Settings()
    named = {"public_url", "carriers", "senders", "desktops", "folder", "server", "interactions"}
    assert {key: getattr(loaded, key) for key in Settings.model_fields if key not in named} == {
        key: getattr(default, key) for key in Settings.model_fields if key not in named
    }
    assert loaded.server == default.server.model_copy(update={"metrics_port": loaded.server.metrics_port})
    assert loaded.interactions.model_copy(update={"desktop": "desk"}) == default.interactions


def test_every_key_is_in_both_files() -> None:
    sections = {name: section_at([name]) for name in Settings.model_fields} | NAMED_TABLES
    keys = {(name, key) for name, section in sections.items() if section for key in section.model_fields}
    assert len(keys) > 50
    for name, key in keys:
        assert re.search(rf"`SMSBRIDGE__{name.upper()}__[^ ]*{key.upper()}`", write_reference()), f"{name}.{key}"
        assert re.search(rf"^(# )?{key} = ", write_example(), re.MULTILINE), f"{name}.{key}"


def test_the_pages_name_only_settings_that_exist() -> None:
    """A word like `media.max_size`. Events of the log look alike, and so do values that an adapter is given."""
    sections = {name: section for name in Settings.model_fields if (section := section_at([name]))}
    events = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", (ROOT / "docs/logs.md").read_text("utf-8"), re.MULTILINE))
    written = re.compile(rf"`((?:{'|'.join(sections)})\.[a-z_]+)(?: = [^`]*)?`")
    pages = [page for page in (ROOT / "docs").rglob("*.md") if page.name != "adding-a-carrier.md"]
    named = {(page.name, name) for page in pages for name in written.findall(page.read_text("utf-8"))}
    assert len(named) > 50
    for page, name in named:
        section, _, key = name.partition(".")
        assert name in events or key.removesuffix("_file") in sections[section].model_fields, f"{page}: {name}"
