"""An agent's eyes and hands: Chromium on the real desk, the real daemon behind it, the simulator behind that."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, BrowserContext, Locator, Page, Request, Route, expect

from e2e.driving import Api, Phone, Process, browsing, wait_for_file
from ports import free_port

CHROMIUM: Final = os.environ.get("SMSBRIDGE_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SWITCHES: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS: Final = 15_000
DESKTOP: Final = (1440, 900)
PHONE: Final = (390, 844)

expect.set_options(timeout=PATIENCE_MS)

GOING: Final = """(where) => new Promise((arrived) => {
    if (location.hash === where) return arrived();
    addEventListener("hashchange", () => arrived(), { once: true }); // after the desk's own
    location.hash = where;
})"""


@dataclass
class Office:
    """A running demo with agents who can sign in. `restart` ends the daemon hard and starts it on the same data."""

    folder: Path
    port: int
    session: aiohttp.ClientSession
    process: Process
    ready: dict[str, Any]
    passcodes: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> Api:
        return Api(self.session, self.ready["api_url"], self.ready["api_key"])

    def phone(self, number: str) -> Phone:
        return Phone(self.session, self.ready["simulator_url"], number)

    async def strike(self, **faults: float | None) -> None:
        """Faults of the simulated carrier, `send_429=100` for example; none ends them."""
        async with self.session.put(f"{self.ready['simulator_url']}/api/faults", json=faults) as answer:
            assert answer.status == 200, await answer.text()

    async def hire(self, agent_id: str, name: str, *, supervisor: bool = False) -> None:
        """`smsbridge agents create`, asked of the running daemon over its admin socket."""
        made = await self.admin("agents.create", {"id": agent_id, "name": name, "supervisor": supervisor})
        self.passcodes[agent_id] = made["passcode"]

    async def admin(self, verb: str, arguments: dict[str, Any]) -> Any:
        door = aiohttp.UnixConnector(str(self.folder / "data" / "admin.sock"))
        async with (
            aiohttp.ClientSession(connector=door) as session,
            session.post(f"http://bridge/{verb}", json=arguments) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def kill(self) -> None:
        await self.process.kill()

    async def stop(self) -> None:
        await self.process.stop()

    async def start(self) -> None:
        ready_file = self.folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        self.process = await _start(self.folder, self.port)
        self.ready = await wait_for_file(ready_file, self.process)
        if self.passcodes:
            await self.admin("agents.remove", {"id": "demo"})  # comes again with every start, and signs itself in


@asynccontextmanager
async def open_office(folder: Path, *, furnished: bool = False) -> AsyncIterator[Office]:
    """`furnished`: with the demo's own agents, one of whom is signed in by itself; else with Mara and Bo."""
    port = free_port()
    async with browsing() as session:
        process = await _start(folder, port)
        office = Office(folder=folder, port=port, session=session, process=process, ready={})
        try:
            office.ready = await wait_for_file(folder / "ready.json", process)
            if not furnished:
                for agent_id in ("demo", "bo"):
                    await office.admin("agents.remove", {"id": agent_id})
                await office.hire("mara", "Mara Lindqvist", supervisor=True)
                await office.hire("bo", "Bo Kowalczyk")
            yield office
        finally:
            if office.process.is_running:
                await office.process.stop()
    assert "Traceback" not in office.process.said(), office.process.said()[-4_000:]


async def _start(folder: Path, port: int) -> Process:
    return await Process.start(
        "demo",
        "--port",
        str(port),
        "--ready-file",
        str(folder / "ready.json"),
        "--keep",
        str(folder / "data"),
        log=folder / "log",
        checks=False,  # starts three times as fast; the rooms' own tests run with them
    )


class Desk:
    """One window of one agent. `said` collects what the console complains of, `strayed` requests to other hosts.

    A story in which the line is cut, or the bridge refuses, says so: the browser complains of that by itself.
    """

    def __init__(self, office: Office, context: BrowserContext, page: Page) -> None:
        self.office = office
        self.context = context
        self.page = page
        self.said: list[str] = []
        self.strayed: list[str] = []
        self.under_way: set[Request] = set()
        self.is_line_cut = False
        self.refusals: set[int] = set()
        """Statuses with which the bridge may refuse something in this story."""
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self.said.append(f"{error}\n{error.stack}"))
        page.on("request", self._watch)
        page.on("requestfinished", self._see_over)
        page.on("requestfailed", self._see_over)

    def _hear(self, kind: str, text: str) -> None:
        lost = self.is_line_cut and re.search(
            r"ERR_(CONNECTION|INTERNET|INCOMPLETE|EMPTY|NETWORK)|Failed to load resource", text
        )
        refused = any(f"status of {status}" in text for status in self.refusals)  # the browser's own line on an answer
        if kind in {"error", "warning"} and not lost and not refused:
            self.said.append(text)

    def _see_over(self, request: Request) -> None:
        self.under_way.discard(request)

    def _watch(self, request: Request) -> None:
        self.under_way.add(request)
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1":
            self.strayed.append(request.url)

    async def sign_in(self, agent_id: str) -> None:
        await self.page.goto(f"{self.office.url}/desk")
        await self.page.get_by_label("Name").fill(agent_id)
        await self.page.get_by_label("Passcode").fill(self.office.passcodes[agent_id])
        await self.page.get_by_role("button", name="Sign in").click()
        await self.settle()

    async def settle(self) -> None:
        """Until everything that the desk asks for when it opens is there: later it would come between."""
        interactions = self.page.get_by_role("navigation", name="Interactions")
        await expect(interactions).to_have_attribute("aria-busy", "false")
        await expect(interactions).to_be_visible()

    @asynccontextmanager
    async def being_refused(self, status: int) -> AsyncIterator[None]:
        """The browser complains once, perhaps after the page has shown it. That, and nothing else, is forgotten."""
        async with self.page.expect_console_message(lambda message: f"status of {status}" in message.text) as heard:
            yield
        self.said.remove((await heard.value).text)

    @asynccontextmanager
    async def refusing(self, what: str, status: int = 409, method: str = "GET") -> AsyncIterator[None]:
        """Requests whose address has `what` are refused within the block.

        The page stays in our hands afterwards: Chromium loses a request that begins in the moment it is let go.
        """
        self.refusals.add(status)
        is_over = False

        async def refuse(route: Route) -> None:
            if is_over or route.request.method != method:
                await route.fallback()
            else:
                problem = {"status": status, "title": "Not now", "detail": "Not at this moment."}
                await route.fulfill(status=status, json=problem)

        await self.page.route(re.compile(what), refuse)
        yield
        is_over = True

    async def go_ready(self) -> None:
        await self.page.locator(".channel .state").click()
        await expect(self.page.locator(".channel.is-ready")).to_be_visible()

    async def visit(self, place: str, identifier: str = "") -> None:
        """As a link or the browser's history does it; the page is not loaded anew."""
        await self.page.evaluate(GOING, f"#/{place}/{identifier}".rstrip("/"))

    async def open_panel(self) -> None:
        """On a desk with room for it the panel stands already."""
        if not await self.panel.is_visible():
            await self.page.get_by_role("button", name="Contact, case and history").click()
        await expect(self.panel).to_be_visible()

    async def go_ready_and_answer_all(self) -> None:
        """Ready, and what comes is accepted by itself."""
        await self.page.get_by_role("button", name="More states").click()
        await self.page.locator(".channel .menu").get_by_label("Auto-answer").check()
        await self.page.keyboard.press("Escape")
        await self.go_ready()

    async def accept(self) -> None:
        await self.page.locator(".offer").get_by_role("button", name="Accept").click()
        await expect(self.field).to_be_visible()

    async def take(self, phone: Phone, text: str, *media: str) -> None:
        """Ready, texted and accepted: most stories begin so."""
        await self.go_ready()
        await phone.text(text, *media)
        await self.accept()

    @property
    def end(self) -> Locator:
        """Its letter stands in it; "Send" has the word as well."""
        return self.page.locator(".transcript .head").get_by_role("button", name="End e", exact=True)

    @property
    def field(self) -> Locator:
        return self.page.get_by_label("Message", exact=True)

    @property
    def transcript(self) -> Locator:
        return self.page.locator("[role=log]")

    @property
    def list(self) -> Locator:
        return self.page.locator("#list")

    @property
    def panel(self) -> Locator:
        return self.page.locator("#panel")

    async def open(self, number: str) -> None:
        """The row of a contact in the list, by the last four digits. If the list moves under the press, once more."""
        opened = self.page.locator(".transcript .head", has_text=number[-4:])
        for _ in range(4):
            await self.row(number).click()
            with suppress(AssertionError):
                await expect(opened).to_be_visible(timeout=PATIENCE_MS / 4)
                return
        raise AssertionError(f"the row of {number} opens nothing")

    def row(self, number: str) -> Locator:
        return self.list.locator("a.row", has=self.page.locator(".name", has_text=number[-4:]))

    async def write(self, text: str) -> None:
        await self.field.fill(text)
        await self.page.get_by_role("button", name="Send", exact=True).click()

    def message(self, text: str) -> Locator:
        return self.transcript.locator(".message", has_text=text)

    async def expect_texts(self, *texts: str) -> None:
        """These and no other, in this order, each once."""
        await expect(self.transcript.locator(".message .bubble")).to_have_text(list(texts))

    async def texts(self) -> list[str]:
        return await self.transcript.locator(".message .bubble").all_text_contents()

    async def faults(self, *rules: str) -> list[str]:
        """What axe finds: WCAG 2.2 A and AA and its best practices, or only those `rules`."""
        if not await self.page.evaluate("() => Boolean(window.axe)"):
            await self.page.evaluate(AXE_SCRIPT)
        options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        violations = await self.page.evaluate(
            "(options) => axe.run(options).then((found) => found.violations)", options
        )
        return [
            f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes'][:4]]}" for each in violations
        ]

    async def check_access(self, where: str) -> None:
        assert await self.faults() == [], where


async def see_all_well(desks: Sequence[Desk]) -> None:
    """What holds at the end of every story."""
    for desk in desks:
        under_way = [request.url for request in desk.under_way]
        print(f"{desk.page.url} waits for {under_way}, said {desk.said}")  # noqa: T201 - a failure shows it
        assert desk.said == []
        assert desk.strayed == []


@asynccontextmanager
async def open_window(
    browser: Browser, office: Office, *, size: tuple[int, int] = DESKTOP, theme: str = "light", **options: Any
) -> AsyncIterator[Desk]:
    """A window with a profile of its own: nobody is signed in yet."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if theme == "dark" else "light", **options
    )
    try:
        yield Desk(office, context, await context.new_page())
    finally:
        await context.close()
