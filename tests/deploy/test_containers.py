"""The image and the compose files start the same command as everybody, as nobody in particular."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from smsbridge.cli import main
from smsbridge.config.settings import Server

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = ("config/compose.yaml", "config/compose.production.yaml")


def instruction(name: str) -> str:
    """The last of its kind, with its continued lines."""
    found = re.findall(rf"^{name} ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    return str(found[-1])


def test_the_image_starts_the_command_that_the_unit_starts() -> None:
    command = [*json.loads(instruction("ENTRYPOINT")), *json.loads(instruction("CMD"))]
    assert command == ["smsbridge", "serve", "--config", "/etc/smsbridge/smsbridge.toml"]


def test_the_image_runs_as_nobody_in_particular_and_keeps_data_in_a_volume() -> None:
    assert instruction("USER") == "10001:10001"
    assert instruction("VOLUME") == "/data"
    assert "SMSBRIDGE__DATA_DIR=/data" in DOCKERFILE
    assert instruction("STOPSIGNAL") == "SIGTERM"


def test_the_health_check_is_a_command_of_ours() -> None:
    (check,) = re.findall(r"HEALTHCHECK .*CMD (\[.*\])", DOCKERFILE)
    program, *verb = json.loads(check)
    assert program == "smsbridge"
    assert CliRunner().invoke(main, [*verb, "--help"]).exit_code == 0


def test_everything_that_is_copied_exists_and_is_let_through() -> None:
    copied = [
        path.removeprefix("./")
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for path in line.split()
    ]
    assert copied
    let_through = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert set(copied) == let_through
    assert all((ROOT / path).exists() for path in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= set(copied)  # the build reads them
    assert "speed" in project["optional-dependencies"]


def test_the_python_of_the_image_is_one_that_the_project_takes() -> None:
    versions = set(re.findall(r"^FROM python:(\d+\.\d+)-slim", DOCKERFILE, re.MULTILINE))
    assert len(versions) == 1
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Programming Language :: Python :: {versions.pop()}" in project["classifiers"]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_files_name_only_what_there_is(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    mounted = re.findall(r"- (\.[./]*[\w./-]+):/", text)
    for path in mounted:
        there = (ROOT / "config" / path).resolve()
        made_by_init = there in {ROOT / "smsbridge.toml", ROOT / ".env"}
        assert there.exists() or made_by_init, path
    named = set(re.findall(r"^      - ([a-z]+):/", text, re.MULTILINE))
    declared = set(re.findall(r"^  ([a-z]+):$", text.partition("\nvolumes:")[2], re.MULTILINE))
    assert named == declared


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_locks_the_bridge_in(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    for line in ("read_only: true", "cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]', "init: true"):
        assert line in text


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """What config/kubernetes.yaml makes, by its kind."""
    made = yaml.safe_load_all((ROOT / "config/kubernetes.yaml").read_text("utf-8"))
    return {each["kind"]: each for each in made}


def test_a_pod_is_what_the_image_is(manifest: dict[str, Any]) -> None:
    pod = manifest["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert instruction("USER") == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert [f"{port['containerPort']}" for port in container["ports"]] == [instruction("EXPOSE")]
    mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    claimed = {each["metadata"]["name"] for each in manifest["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    assert claimed == {"data"}
    assert mounted["data"] == instruction("VOLUME")
    command = json.loads(instruction("CMD"))
    assert command[-1] == f"{mounted['configuration']}/{next(iter(manifest['ConfigMap']['data']))}"
    assert pod["terminationGracePeriodSeconds"] * 1000 > 2 * Server().grace


def test_a_pod_is_asked_what_the_bridge_answers(manifest: dict[str, Any]) -> None:
    (container,) = manifest["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    asked = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert asked == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


def test_a_pod_lacks_only_what_is_the_operators_own(
    manifest: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in manifest["Secret"]["stringData"].items():
        assert value == ""
        monkeypatch.setenv(name, "0123456789abcdef0123456789abcdef")
    filled = manifest["ConfigMap"]["data"]["smsbridge.toml"]
    filled = filled.replace('"AC..."', f'"AC{"0" * 32}"').replace('"+1..."', '"+14155550123"')
    (tmp_path / "smsbridge.toml").write_text(filled)
    checked = CliRunner().invoke(main, ["check-config", "--offline", str(tmp_path / "smsbridge.toml")])
    assert checked.exit_code == 0, checked.output


def test_the_proxy_keeps_the_operators_urls_inside() -> None:
    for file in ("config/Caddyfile", "docs/operations/behind-a-proxy.md"):
        text = (ROOT / file).read_text("utf-8")
        assert "@operators path /metrics /livez /readyz" in text


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"
