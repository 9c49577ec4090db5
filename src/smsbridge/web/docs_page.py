"""The API's documentation as pages: written once from the OpenAPI document, without a script, a font or a
picture from anywhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from html import escape
from importlib import resources
from typing import Any, Final

from aiohttp import web

from smsbridge.web.auth import SCOPES
from smsbridge.web.problems import ProblemType, problem_names
from smsbridge.wire.encoding import write_json

PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
}
MAX_EXAMPLE_DEPTH: Final = 5
_REF: Final = "#/components/schemas/"
Node = Mapping[str, Any]


class DocsPages:
    """The handlers. The pages are rendered when the first is asked for: that is most of a start, and few ever ask."""

    def __init__(self, write_document: Callable[[], Mapping[str, Any]]) -> None:
        self._render = cache(lambda: _Pages(write_document()))

    async def document(self, request: web.Request) -> web.Response:
        return (await self._pages()).document.answer(request)

    async def reference(self, request: web.Request) -> web.Response:
        return (await self._pages()).reference.answer(request)

    async def problems(self, request: web.Request) -> web.Response:
        return (await self._pages()).problems.answer(request)

    async def style(self, request: web.Request) -> web.Response:
        return (await self._pages()).style.answer(request)

    async def _pages(self) -> _Pages:
        return await asyncio.to_thread(self._render)  # a tenth of a second that nobody's text shall wait


class _Pages:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = _Page(write_json(document), "application/json; charset=utf-8")
        self.reference = _Page(write_reference(document).encode(), "text/html; charset=utf-8")
        self.problems = _Page(write_problems().encode(), "text/html; charset=utf-8")
        style = resources.files(__package__ or "smsbridge.web").joinpath("docs.css").read_bytes()
        self.style = _Page(style, "text/css; charset=utf-8")


class _Page:
    """Bytes that only change with the program."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self._body = body
        self._headers = {**PAGE_HEADERS, "Content-Type": content_type}
        self._tag = hashlib.sha256(body).hexdigest()[:32]

    def answer(self, request: web.Request) -> web.Response:
        known = any(tag.value in {self._tag, "*"} for tag in request.if_none_match or ())
        response = web.Response(status=304 if known else 200, body=None if known else self._body, headers=self._headers)
        response.etag = self._tag
        return response


def write_reference(document: Node) -> str:
    reader = _Reader(document)
    sections = "".join(_section(reader, tag["name"], document) for tag in document["tags"])
    scopes = "".join(f"<tr><td><code>{scope}</code><td>{escape(words)}" for scope, words in SCOPES.items())
    return _page(
        title="smsbridge API",
        style="docs/docs.css",
        nav=_navigation(document),
        main=f"""
<header class="top"><p class="kicker">REST API, version {escape(document["info"]["version"])}</p>
<h1>smsbridge</h1>
{_paragraphs(document["info"]["description"])}
<p class="links"><a href="v1/openapi.json">OpenAPI document</a> <a href="docs/problems">Problems</a></p>
</header>
<section id="keys"><h2>Keys</h2>
<p>Every call carries a key: <code>Authorization: Bearer smsb_…</code>. What it may do, its scopes say.</p>
<div class="scroll"><table><thead><tr><th>Scope<th>Allows</thead><tbody>{scopes}</tbody></table></div></section>
{sections}""",
    )


def write_problems() -> str:
    kinds: dict[str, ProblemType] = {kind.name: kind for kind in problem_names()}
    listed = sorted(kinds.values(), key=lambda kind: (kind.status, kind.name))
    nav = "".join(f'<li><a href="#{kind.name}">{kind.name}</a>' for kind in listed)
    rows = "".join(
        f'<article id="{kind.name}"><h3><span class="status">{kind.status}</span> {escape(kind.title)}</h3>'
        f"<p><code>/docs/problems#{kind.name}</code></p><p>{_inline(_CURES.get(kind.name, ''))}</p></article>"
        for kind in listed
    )
    return _page(
        title="Problems, smsbridge API",
        style="docs.css",
        nav=f'<p><a href="../docs">All calls</a></p><h2>Problems</h2><ul>{nav}</ul>',
        main=f"""
<header class="top"><p class="kicker">REST API</p><h1>Problems</h1>
<p>An error is <code>application/problem+json</code> (RFC 9457). Decide by its <code>type</code>, which is one of these;
<code>detail</code> is a sentence for people, <code>errors</code> names each wrong field, and <code>instance</code> ends
with the id under which the log has the request.</p></header><section class="problems">{rows}</section>""",
    )


_CURES: Final[Mapping[str, str]] = {
    "cannot-send": (
        "`cause` says why, `notice` which notice tells the agent so. With `overridable` the same call with "
        "`force: true` is taken."
    ),
    "invalid": "`errors` names each field by its JSON Pointer, or a parameter by its name, with what would be right.",
    "not-found": "Check the id and the path. What was erased is not found either.",
    "conflict": "`code` is a fixed word for what stands in the way. Read the thing again before you go on.",
    "idempotency-key-reused": "The key came before with another body. Make a new key for every new request.",
    "idempotency-key-in-flight": "The first request with this key is still running. Repeat it in a second.",
    "idempotency-key-invalid": "Send 1 to 255 printable ASCII characters, best a UUID, in quotes or not.",
    "cursor-invalid": "Leave the cursor out to begin again, and give `next_cursor` back exactly as it came.",
    "not-proven": "The signature of a webhook did not match. The log of the bridge says what was used to check it.",
    "not-authenticated": "Send `Authorization: Bearer` and a key that is in use. `smsbridge keys create` makes one.",
    "not-permitted": "`detail` names the scope that the key lacks.",
    "too-many-attempts": "Too many wrong keys came from this address. Wait for as long as `Retry-After` says.",
    "not-readable": "The body, or the request itself, is not what it says it is. Check its framing and its encoding.",
    "too-slow": "The body must follow its headers at once. Send the request again.",
    "too-large": "`detail` names the limit.",
    "wrong-media-type": "Send JSON as `application/json`, uploads as `multipart/form-data`, and neither compressed.",
    "no-longer-kept": "Read what you need anew and go on from the number that `detail` names.",
    "unavailable": "Nothing was kept. Repeat the same request after `Retry-After` seconds.",
    "no-room": "Nothing was kept. Whoever runs the bridge must make room on its disk; repeat the request then.",
    "method-not-allowed": "The header `Allow` names the methods that the URL takes.",
    "internal": "It is our mistake. Give the operator the id in `instance`: the log explains it.",
}


def _page(*, title: str, style: str, nav: str, main: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}">
</head>
<body>
<a class="skip" href="#main">To the text</a>
<nav aria-label="Contents"><details><summary>Contents</summary>{nav}</details></nav>
<main id="main">{main}</main>
</body>
</html>
"""


def _navigation(document: Node) -> str:
    parts = ['<p class="brand">smsbridge</p><h2>Begin</h2><ul><li><a href="#keys">Keys</a></ul>']
    for tag in document["tags"]:
        links = "".join(
            f'<li><a href="#{operation["operationId"]}">{_method(method)} {escape(operation["summary"])}</a>'
            for _, method, operation in _operations(document, tag["name"])
        )
        parts.append(f"<h2>{escape(_title(tag['name']))}</h2><ul>{links}</ul>")
    return "".join(parts)


def _section(reader: _Reader, tag: str, document: Node) -> str:
    calls = "".join(_call(reader, document, *found) for found in _operations(document, tag))
    return f'<section id="tag-{escape(tag)}"><h2>{escape(_title(tag))}</h2>{calls}</section>'


def _operations(document: Node, tag: str) -> Iterator[tuple[str, str, Node]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if tag in operation["tags"]:
                yield path, method, operation


def _call(reader: _Reader, document: Node, path: str, method: str, operation: Node) -> str:
    scopes = [scope for need in operation["security"] for needed in need.values() for scope in needed]
    scope = "".join(f'<span class="scope">{escape(each)}</span>' for each in scopes)
    description = _paragraphs(operation.get("description", ""))
    example = _curl(reader, document, path, method, operation)
    return f"""
<article id="{operation["operationId"]}">
<h3>{escape(operation["summary"])}</h3>
<p class="line">{_method(method)} <code>{_path(path)}</code> {scope}</p>
{description}{_parameters(reader, operation)}{_body(reader, operation)}{_answers(reader, operation)}
<details open><summary>Example</summary><pre><code>{escape(example)}</code></pre></details>
</article>"""


def _parameters(reader: _Reader, operation: Node) -> str:
    rows = "".join(
        _row(
            reader,
            each["name"],
            each["schema"],
            required=each["required"],
            text=each.get("description", ""),
            at=each["in"],
        )
        for each in operation.get("parameters", ())
    )
    return f"<h4>Parameters</h4>{_fields_table(rows)}" if rows else ""


def _body(reader: _Reader, operation: Node) -> str:
    body = operation.get("requestBody")
    if body is None:
        return ""
    content = body["content"]
    if "application/json" not in content:
        return "<h4>Body</h4><p>The file, as the part <code>file</code> of a form or as the body itself.</p>"
    needed = "" if body["required"] else " <small>may be left out</small>"
    return f"<h4>Body{needed}</h4>{_object(reader, content['application/json']['schema'])}"


def _answers(reader: _Reader, operation: Node) -> str:
    good, bad = [], []
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            bad.append(f'<a class="status" href="docs/problems">{status}</a>')
            continue
        schema = answer.get("content", {}).get("application/json", {}).get("schema")
        kinds = ", ".join(f"<code>{escape(kind)}</code>" for kind in answer.get("content", {}))
        shown = _folded(reader, schema) if schema else ""
        good.append(f'<p><span class="status good">{status}</span> {escape(answer["description"])} {kinds}</p>{shown}')
    return f'<h4>Answers</h4>{"".join(good)}<p class="refusals">Problems: {" ".join(bad)}</p>'


def _folded(reader: _Reader, schema: Node) -> str:
    example = json.dumps(reader.example(schema), indent=2, ensure_ascii=False)
    return (
        f"<details><summary>Fields</summary>{_object(reader, schema)}</details>"
        f"<details><summary>As JSON</summary><pre><code>{escape(example)}</code></pre></details>"
    )


def _object(reader: _Reader, schema: Node) -> str:
    resolved = reader.resolve(schema)
    required = resolved.get("required", [])
    rows = "".join(
        _row(reader, name, each, required=name in required, text=reader.description(each))
        for name, each in resolved.get("properties", {}).items()
    )
    return f"{_paragraphs(resolved.get('description', ''))}{_fields_table(rows)}" if rows else ""


def _fields_table(rows: str) -> str:
    return f'<div class="scroll"><table class="fields"><tbody>{rows}</tbody></table></div>'


def _row(reader: _Reader, name: str, schema: Node, *, required: bool, text: str, at: str = "") -> str:
    need = '<span class="need">required</span>' if required else ""
    place = f" <small>{at}</small>" if at not in {"", "query"} else ""
    kind = f"<span class=kind>{', '.join([reader.kind(schema), *reader.limits(schema)])}</span>"
    return f"<tr><th scope=row><code>{escape(name)}</code>{place}{need}<td>{kind}<td>{_inline(text)}"


def _curl(reader: _Reader, document: Node, path: str, method: str, operation: Node) -> str:
    url = document["servers"][0]["url"] + re.sub(r"\{(\w+)\}", lambda found: f"${found[1].upper()}", path)
    quote = '"' if "$" in url else ""
    lines = (
        [f"curl {quote}{url}{quote}"]
        if method in {"get", "post"}
        else [f"curl -X {method.upper()} {quote}{url}{quote}"]
    )
    if operation["security"]:
        lines.append('-H "Authorization: Bearer $KEY"')
    body = operation.get("requestBody", {}).get("content", {})
    if any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", ())):
        lines.append('-H "Idempotency-Key: $(uuidgen)"')
    if "application/json" in body:
        lines.append('-H "Content-Type: application/json"')
        data = json.dumps(reader.example(body["application/json"]["schema"], given=True), ensure_ascii=False)
        lines.append("-d '" + data.replace("'", "'\\''") + "'")
    elif body:
        lines.append("-F file=@picture.jpg")
    elif method == "post":
        lines[0] = f"curl -X POST {quote}{url}{quote}"
    if "text/event-stream" in operation["responses"].get("200", {}).get("content", {}):
        lines[0] = lines[0].replace("curl ", "curl -N ")
        lines.append('-H "Accept: text/event-stream"')
    return " \\\n  ".join(lines)


class _Reader:
    """Reads schemas of one document."""

    def __init__(self, document: Node) -> None:
        self._schemas: Node = document["components"]["schemas"]

    def resolve(self, schema: Node) -> Node:
        name = str(schema.get("$ref", "")).removeprefix(_REF)
        return self._schemas[name] if name else schema

    def description(self, schema: Node) -> str:
        text = schema.get("description") or self.resolve(self._sole(schema)).get("description", "")
        return str(text)

    def kind(self, schema: Node) -> str:
        """A few words: `text`, `list of Attachment`, `queued · sent`. HTML."""
        members = [each for each in schema.get("anyOf", schema.get("oneOf", ())) if each != {"type": "null"}]
        if members:
            nullable = {"type": "null"} in schema.get("anyOf", ())
            return " or ".join([self.kind(each) for each in members] + (["null"] if nullable else []))
        resolved = self.resolve(schema)
        if "enum" in resolved:
            return " · ".join(f"<code>{escape(str(each))}</code>" for each in resolved["enum"])
        if "const" in resolved:
            return f"<code>{escape(str(resolved['const']))}</code>"
        if resolved.get("type") == "array":
            return f"list of {self.kind(resolved.get('items', {}))}"
        if "$ref" in schema:
            return escape(str(resolved.get("title", "object")))
        return _KINDS.get(str(resolved.get("type", "")), "any")

    def limits(self, schema: Node) -> Iterator[str]:
        """What bounds it, in words: `1 to 200 characters`, `at most 10`, `50 unless given`."""
        meant = self.resolve(self._sole(schema))
        for (least, most), unit in _BOUNDS.items():
            if most in meant:
                yield f"{meant[least]} to {meant[most]}{unit}" if meant.get(least) else f"at most {meant[most]}{unit}"
        if schema.get("default") is not None and schema["default"] is not False:
            yield f"{escape(str(schema['default']))} unless given"

    def example(self, schema: Node, *, given: bool = False, depth: int = 0) -> Any:
        """A value of that shape. `given`: only what must be said, where the schema has no example of its own."""
        resolved = self.resolve(schema)
        for source in (schema, resolved):
            if source.get("examples"):
                return source["examples"][0]
            if "const" in source or source.get("enum"):
                return source.get("const", (source.get("enum") or [None])[0])
        members = schema.get("anyOf", schema.get("oneOf", ()))
        if members:
            return self.example(members[0], given=given, depth=depth)
        kind = resolved.get("type")
        if kind == "array":
            return (
                []
                if depth > MAX_EXAMPLE_DEPTH
                else [self.example(resolved.get("items", {}), given=given, depth=depth + 1)]
            )
        if kind == "object":
            required = resolved.get("required", [])
            return {
                name: self.example(each, given=given, depth=depth + 1)
                for name, each in resolved.get("properties", {}).items()
                if depth <= MAX_EXAMPLE_DEPTH and (not given or name in required)
            }
        return _EXAMPLES.get(str(kind))

    def _sole(self, schema: Node) -> Node:
        """The one thing it may be besides null."""
        members = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
        return members[0] if len(members) == 1 else schema


_BOUNDS: Final[Mapping[tuple[str, str], str]] = {
    ("minLength", "maxLength"): " characters",
    ("minimum", "maximum"): "",
    ("minItems", "maxItems"): "",
    ("minProperties", "maxProperties"): " names",
}
_KINDS: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}
_EXAMPLES: Final[Mapping[str, Any]] = {"string": "…", "integer": 1, "number": 1.0, "boolean": True}


def _method(method: str) -> str:
    return f'<span class="method {method}">{method.upper()}</span>'


def _path(path: str) -> str:
    return re.sub(r"\{(\w+)\}", r"<var>{\1}</var>", escape(path))


def _title(tag: str) -> str:
    return tag.replace("-", " ").capitalize()


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_inline(each.strip())}</p>" for each in text.split("\n\n") if each.strip())


def _inline(text: str) -> str:
    """Escaped, with what stands in backquotes as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
