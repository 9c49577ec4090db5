"""The pages for people, as a browser gets them: every file, its type, its policy, and nothing from anywhere else."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

import smsbridge.web
from fakes import World
from smsbridge.web.pages import ASSETS, TYPES
from smsbridge.web.server import Limits
from web.running import Running, running

DESK: Final = Path(smsbridge.web.__file__).parent / "desk"
VENDOR: Final = DESK / "vendor"
MANIFEST: Final = json.loads((VENDOR / "MANIFEST.json").read_text("utf-8"))
FILES: Final = sorted(path.relative_to(DESK).as_posix() for path in DESK.rglob("*") if path.is_file())
SERVED: Final = [name for name in FILES if Path(name).suffix != ".LICENSE" and name != "vendor/MANIFEST.json"]
NAMES_OF_XML: Final = {"www.w3.org"}
"""Namespaces look like addresses. Nobody asks there."""


@pytest.fixture
async def bridge(world: World) -> AsyncIterator[Running]:
    async with running(world, limits=Limits(grace_s=0.1)) as bridge:
        yield bridge


async def test_every_file_of_the_desk_is_served_as_what_it_is_and_kept_until_it_changes(bridge: Running) -> None:
    assert {"desk.js", "desk.css", "icons.svg", "vendor/preact.js"} <= set(SERVED)
    for name in SERVED:
        status, headers, body = await bridge.get(f"{ASSETS}/{name}")
        assert (status, body) == (200, (DESK / name).read_bytes()), name
        assert headers["Content-Type"].partition(";")[0] == TYPES[name.rpartition(".")[2]], name
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-cache")
        for tag in (headers["ETag"], f"W/{headers['ETag']}", f'"x", {headers["ETag"]}'):
            again, kept, nothing = await bridge.get(f"{ASSETS}/{name}", headers={"If-None-Match": tag})
            assert (again, nothing, kept["ETag"]) == (304, b"", headers["ETag"]), name
        assert (await bridge.get(f"{ASSETS}/{name}", headers={"If-None-Match": '"x"'}))[0] == 200


async def test_the_desk_allows_its_scripts_this_bridge_and_nothing_else(bridge: Running) -> None:
    status, headers, body = await bridge.get("/desk")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body == (DESK / "desk.html").read_bytes()
    assert headers["Content-Security-Policy"] == "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' '{MANIFEST['emoji_picker_style']}'",
            "style-src-attr 'unsafe-inline'",
            "img-src 'self' blob:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in headers
    policy = headers["Content-Security-Policy"]
    known, kept, _ = await bridge.get("/desk", headers={"If-None-Match": headers["ETag"]})
    assert (known, kept["Content-Security-Policy"]) == (304, policy), "a browser takes the policy of the 304"
    assert (await bridge.get("/favicon.ico"))[1]["Content-Type"].startswith("image/svg+xml")


@pytest.mark.parametrize(
    "path",
    [
        "../pages.py",
        "..%2fpages.py",
        "%2e%2e/pages.py",
        "lib/../../pages.py",
        "lib//api.js",
        "./desk.js",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "desk.js/",
        "desk.js%00.css",
        "lib",
        "",
        "vendor/MANIFEST.json",
        "vendor/htm.LICENSE",
        "nothing.js",
        "..%5cpages.py",
    ],
)
async def test_no_path_leads_out_of_the_folder_or_to_what_is_no_asset(bridge: Running, path: str) -> None:
    """Said on the wire as it stands: clients tidy such paths up."""
    request = f"GET {ASSETS}/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await bridge.say(request.encode())
    assert answer.startswith(b"HTTP/1.1 404 "), answer[:200]
    assert b"import" not in answer


def test_the_manifest_names_every_vendored_file_as_it_is() -> None:
    named = {entry["file"]: entry for entry in MANIFEST["files"]}
    there = {path.name for path in VENDOR.iterdir() if path.suffix != ".LICENSE"} - {"MANIFEST.json"}
    assert set(named) == there
    for name, entry in named.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == entry["sha256"], name
        assert re.fullmatch(r"\d+\.\d+\.\d+", entry["version"])
        assert entry["licence"]


def test_every_vendored_package_comes_with_its_licence() -> None:
    texts = {path.stem for path in VENDOR.glob("*.LICENSE")}
    for entry in MANIFEST["files"]:
        assert entry["package"].replace("/", "-").lstrip("@") in texts, entry["package"]


@pytest.mark.parametrize("name", [name for name in SERVED if not name.startswith("vendor/")])
def test_no_file_of_ours_names_another_host_or_runs_text(name: str) -> None:
    text = (DESK / name).read_text("utf-8")
    hosts = set(re.findall(r"""(?:https?:)?//([a-z0-9-]+(?:\.[a-z0-9-]+)+)""", _without_comments(text, name)))
    assert hosts - NAMES_OF_XML == set()
    for dangerous in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert dangerous not in text, dangerous


@pytest.mark.parametrize("name", [name for name in SERVED if name.endswith((".js", ".css", ".html"))])
def test_whatever_a_file_loads_is_one_of_ours(name: str) -> None:
    text = (DESK / name).read_text("utf-8")
    loads = [
        *re.findall(r"""(?:^|[;\s}])(?:import|export)\s*(?:[\w*{][^'"()]*?\sfrom\s*)?["']([^"'\n]+)["']""", text),
        *re.findall(r"""\bimport\(\s*["']([^"']+)["']\s*\)""", text),
        *re.findall(r"""@import\s+["']([^"']+)""", text),
        *re.findall(r"""\burl\(\s*["']?([^"')]+)""", text if name.endswith(".css") else ""),
        *(re.findall(r"""<(?:script|link|img)[^>]*?(?:src|href)="([^"]+)""", text) if name.endswith(".html") else []),
    ]
    for loaded in loads:
        path = loaded.partition("#")[0]
        target = DESK / path.removeprefix(f"{ASSETS}/") if path.startswith("/") else (DESK / name).parent / path
        assert target.resolve().is_relative_to(DESK), loaded
        assert target.is_file(), loaded


def _without_comments(text: str, name: str) -> str:
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return re.sub(r"(?m)(^|\s)//.*$", "", text) if name.endswith(".js") else text
