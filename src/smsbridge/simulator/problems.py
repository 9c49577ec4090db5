"""How the simulator's own API says no: JSON with `error`, a word for programs, and `detail`, a sentence for people."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from smsbridge.wire.encoding import write_json


class Problem(Exception):
    def __init__(self, status: int, error: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.document = {"error": error, "detail": detail, **more}


def write_problem(problem: Problem) -> web.Response:
    return web.Response(status=problem.status, body=write_json(problem.document), content_type="application/json")


def answer_json(value: Any, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=write_json(value), content_type="application/json")
