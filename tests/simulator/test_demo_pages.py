"""The demo's pages: what a browser is given, what they may do, and whom they let in. Without a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from fakes import World
from smsbridge.blobs import FolderBlobs
from smsbridge.contracts.store import AgentAccount, Role
from smsbridge.demo_pages import AGENT, DemoPages
from smsbridge.simulator import PERSONAS, FaultSettings
from smsbridge.simulator.samples import RECIPES
from smsbridge.store.sqlite import SqliteStore
from smsbridge.web.sessions import COOKIE, hash_passcode
from web.running import Running, running

SIMULATOR = "http://127.0.0.1:40123"
FOLDER = Path(__file__).parents[2] / "src/smsbridge/simulator/pages"
DESK = FOLDER.parents[1] / "web/desk"
SCRIPTS = sorted(FOLDER.rglob("*.js"))


@pytest.fixture
async def demo(folder: Path) -> AsyncIterator[Running]:
    store = SqliteStore.open(folder / "store.sqlite3")
    blobs = FolderBlobs.open(folder / "media")
    world = World(store, blobs)
    account = AgentAccount(
        id=AGENT, name="Demo agent", role=Role.SUPERVISOR, passcode_hash=hash_passcode("unknown-to-all")
    )
    await world.write(lambda tx: tx.save_agent(account))
    pages = DemoPages(world.bridge, simulator_url=SIMULATOR, kept='Kept in "a & b".')
    async with running(world, more_routes=pages.routes()) as made:
        yield made
    blobs.close()
    await store.close()


def policy(text: str) -> dict[str, list[str]]:
    return {name: values for name, *values in (part.split() for part in text.split(";"))}


async def test_who_types_only_the_address_comes_to_the_demo(demo: Running) -> None:
    status, headers, _ = await demo.get("/", allow_redirects=False)
    assert (status, headers["Location"]) == (302, "/demo")


@pytest.mark.parametrize("path", ["/demo", "/phone", "/demo/connect"])
async def test_a_page_may_talk_to_this_bridge_and_its_simulator_and_to_nobody_else(demo: Running, path: str) -> None:
    status, headers, body = await demo.get(path)
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    allowed = policy(headers["Content-Security-Policy"])
    assert allowed["script-src"] == ["'self'"]
    assert allowed["connect-src"] == ["'self'", SIMULATOR]
    assert allowed["img-src"] == ["'self'", "blob:", SIMULATOR]
    assert allowed["frame-ancestors"] == ["'none'"]
    page = body.decode()
    assert "{" not in page
    assert not re.search(r"<style|style=|<script>| on[a-z]+=", page)
    assert not re.findall(r'(?:src|href)="(?!/)', page)


async def test_a_page_knows_where_its_simulator_is(demo: Running) -> None:
    for path in ("/demo", "/phone"):
        _, _, body = await demo.get(path)
        assert f'<meta name="simulator" content="{SIMULATOR}">' in body.decode()
    _, _, body = await demo.get("/demo")
    assert 'content="Kept in &quot;a &amp; b&quot;."' in body.decode()


async def test_everything_that_a_page_loads_is_there(demo: Running) -> None:
    """Style sheets, scripts and, step by step, what the scripts import; but the desk, which has tests of its own."""
    seen: set[str] = set()
    ahead = ["/demo", "/phone", "/demo/connect"]
    while ahead:
        path = ahead.pop()
        if path in seen or path.startswith("/desk/assets/parts/"):
            continue
        seen.add(path)
        status, _, body = await demo.get(path)
        assert status == 200, path
        text = body.decode()
        found = re.findall(r'(?:src|href)="(/[^"#]+)"', text) if "<!doctype" in text else []
        if path.endswith(".js"):
            found = re.findall(r'(?:from|import) *\(?"([^"]+)"', text)
        ahead.extend(urljoin(path, each) for each in found)
    loaded = {path.removeprefix("/demo/assets/") for path in seen}
    assert {script.relative_to(FOLDER).as_posix() for script in SCRIPTS} <= loaded


@pytest.mark.parametrize("path", ["x.js", "../demo.py", "parts", "", "demo.html/x", "%2e%2e/personas.py"])
async def test_no_other_file_is_given_out(demo: Running, path: str) -> None:
    status, _, _ = await demo.get(f"/demo/assets/{path}")
    assert status == 404


@pytest.mark.parametrize("path", ["/demo", "/desk"])
async def test_whoever_opens_the_demo_is_signed_in_and_stays_it(demo: Running, path: str) -> None:
    status, headers, _ = await demo.get(path)
    assert status == 200
    cookie = headers["Set-Cookie"]
    assert cookie.partition("=")[0].endswith(COOKIE)
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    sent = {"Cookie": cookie.partition(";")[0]}
    status, _, body = await demo.get("/v1/session", headers=sent)
    assert status == 200
    assert f'"id":"{AGENT}"' in body.decode()
    _, headers, _ = await demo.get(path, headers=sent)
    assert "Set-Cookie" not in headers


async def test_a_name_that_leads_here_from_elsewhere_gets_no_session(demo: Running) -> None:
    """A page of another host whose DNS entry was changed to 127.0.0.1 is this site to the browser."""
    status, headers, _ = await demo.get("/demo", headers={"Host": "evil.example"})
    assert status == 200
    assert "Set-Cookie" not in headers


async def test_the_phones_alone_need_nobody_signed_in(demo: Running) -> None:
    _, headers, _ = await demo.get("/phone")
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_no_text_becomes_markup_and_no_style_is_inline(script: Path) -> None:
    text = script.read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|eval\(|style=", text
    )
    assert not re.search(r"https?://(?!www\.w3\.org)", text)


def test_every_icon_persona_fault_and_sample_that_a_page_names_exists() -> None:
    icons = set(re.findall(r'id="([^"]+)"', (DESK / "icons.svg").read_text()))
    text = {script.name: script.read_text() for script in SCRIPTS}
    named = {name for each in text.values() for name in re.findall(r'Icon\} name="([^"]+)"', each)}
    named |= set(re.findall(r': "([a-z0-9-]+)"', text["personas.js"].partition("ICONS = ")[2].partition("};")[0]))
    named |= set(re.findall(r': "([a-z0-9-]+)"', text["samples.js"].partition("ICONS = ")[2].partition("};")[0]))
    assert named <= icons
    personas = text["personas.js"].partition("ICONS = ")[2].partition("};")[0]
    assert set(re.findall(r"(\w+): ", personas)) == set(PERSONAS)
    assert set(re.findall(r'"(\w+)"', text["personas.js"].partition("FIRST = ")[2].partition(";")[0])) <= set(PERSONAS)
    assert set(re.findall(r'\["(\w+)", ', text["faults.js"])) <= set(FaultSettings().json())
    assert set(re.findall(r'"([\w.]+)"', text["samples.js"].partition("GOOD = ")[2].partition(";")[0])) <= set(RECIPES)
