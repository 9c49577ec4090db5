"""The documentation shows every call and every problem, asks nobody else for anything, and runs nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from fakes import World
from smsbridge.web.api import ENDPOINTS
from smsbridge.web.problems import problem_names
from web.running import running

VOID = frozenset({"meta", "link", "br", "img", "hr"})
CLOSED_BY_OTHERS = frozenset({"li", "tr", "td", "th", "thead"})


class Page(HTMLParser):
    """Ids and addresses of a page, and whether its elements close as they opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            assert not name.startswith("on"), f"{tag} has a script"
            assert name != "style", f"{tag} has a style that the policy forbids"
            if name == "id":
                self.ids.append(value or "")
            if name in {"href", "src", "action"}:
                self.addresses.append(value or "")
        if tag not in VOID | CLOSED_BY_OTHERS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in CLOSED_BY_OTHERS:
            assert self.open.pop() == tag


@pytest.mark.parametrize("path", ["/docs", "/docs/problems"])
async def test_a_page_is_whole_and_alone(world: World, path: str) -> None:
    async with running(world) as edge:
        status, headers, body = await edge.get(path)
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert '<nav aria-label="Contents"><details>' in body.decode(), "closed where there is little room"
        page = Page(body.decode())
        assert page.open == []
        assert "script" not in page.tags
        assert len(page.ids) == len(set(page.ids))
        for address in page.addresses:
            assert not re.match(r"(https?:)?//", address), address
            if address.startswith("#"):
                assert address[1:] in page.ids, address
            elif not address.startswith("data:"):
                target = address.partition("#")[0]
                base = path.rpartition("/")[0]
                whole = "/docs" if target == "../docs" else f"{base}/{target}"
                assert (await edge.get(whole))[0] == 200, whole


async def test_every_call_stands_in_the_reference_with_an_example(world: World) -> None:
    async with running(world) as edge:
        page = (await edge.get("/docs"))[2].decode()
        for endpoint in ENDPOINTS:
            article = re.search(f'<article id="{endpoint.name}">(.*?)</article>', page, re.DOTALL)
            assert article, endpoint.name
            assert "curl" in article[1]
            if endpoint.scope:
                assert endpoint.scope in article[1]


async def test_the_type_of_every_problem_leads_to_its_explanation(world: World) -> None:
    async with running(world) as edge:
        page = Page((await edge.get("/docs/problems"))[2].decode())
        assert {kind.name for kind in problem_names()} <= set(page.ids)
        text = (await edge.get("/docs/problems"))[2].decode()
        assert "<p></p>" not in text, "a problem without a cure"


async def test_the_document_and_the_style_are_revalidated_and_not_sent_again(world: World) -> None:
    async with running(world) as edge:
        for path in ("/v1/openapi.json", "/docs/docs.css", "/docs"):
            _, headers, body = await edge.get(path)
            assert body
            status, _, body = await edge.get(path, headers={"If-None-Match": headers["ETag"]})
            assert (status, body) == (304, b""), path
        document = json.loads((await edge.get("/v1/openapi.json"))[2])
        assert "/v1/events" in document["paths"]
        assert document["servers"] == [{"url": world.bridge.public_url}]
        style = (await edge.get("/docs/docs.css"))[2].decode()
        assert "url(" not in style
        assert "@import" not in style
