"""The served OpenAPI document is true: made-up requests of every kind, good and bad, against a real server.

Schemathesis reads the document as any client would. It checks that no answer is a server error, that every status,
header, type and body is one that the document promises, that good requests are taken and bad ones refused. The server
runs in a thread of its own, and what the ids in the paths name is there.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth

from fakes import World, ok
from smsbridge.blobs import FolderBlobs
from smsbridge.contracts.jobs import NewJob
from smsbridge.contracts.store import AgentStatus, Arrived, MessageFilter, StandardResponse, Tx
from smsbridge.flows import outbound
from smsbridge.store.sqlite import SqliteStore
from smsbridge.web.api import ENDPOINTS
from smsbridge.web.auth import make_key
from smsbridge.web.endpoint import Endpoint
from smsbridge.web.server import Limits, WebServer

T = TypeVar("T")

EXAMPLES = 20
"""Of good requests and of bad ones, for each call."""

CONFIG: Mapping[str, Any] = {
    # What a schema cannot say is refused with 422, or 400 for a cursor: a number nobody can dial, an empty message.
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "404", "409", "422"]}},
}


KINDS = [
    pytest.param(endpoint, mode, id=f"{endpoint.name}-{mode.value}")
    for endpoint in ENDPOINTS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    # There is no bad upload: whatever is in the part is a file, and its bytes decide.
    if not (endpoint.body_kind == "multipart" and mode is GenerationMode.NEGATIVE)
]


class Served:
    """A bridge behind a server in a thread, until `close`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(14155550200)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.url, self.key = self._run(self._open())

    def something(self) -> Mapping[str, str]:
        """Makes one of everything that can be asked for, and returns the ids by the first word of their path."""
        return self._run(_live(self._world, f"+{next(self._numbers)}"))

    def close(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> tuple[str, str]:
        self._store = SqliteStore.open(self._folder / "store.sqlite3")
        self._blobs = FolderBlobs.open(self._folder / "media")
        self._world = World(self._store, self._blobs)
        shown, kept = make_key("test", frozenset({"*"}), self._world.clock.now_ms())
        await self._world.write(lambda tx: tx.insert_api_key(kept))
        self._server = WebServer(
            self._world.bridge, render_metrics=bytes, forget_gauge=lambda _name: None, limits=Limits(grace_s=0.1)
        )
        return f"http://127.0.0.1:{await self._server.listen(host='127.0.0.1', port=0)}", shown

    async def _close(self) -> None:
        await self._server.stop()
        await self._store.close()
        self._blobs.close()


async def _live(world: World, number: str) -> dict[str, str]:
    """A text with a file, an answer that fails, a webhook that is not understood, work that is given up."""
    world.network.files["https://plain.example/a.pdf"] = b"%PDF-1.7\n" + bytes(100)
    world.network.answer = lambda _request: ok({"code": "unreachable"})
    await world.text("Hello", sender=number, media=["https://plain.example/a.pdf"], carrier_id=f"in-{number}")
    await world.write(lambda tx: outbound.submit(tx, world.bridge, outbound.Draft(to=number, text="Hi")))
    await world.webhook({"type": "receipt", "id": f"C-{number}", "status": "delivered"})
    await world.webhook({"type": "news"})
    await world.run_due()
    return dict(await world.write(lambda tx: _ids_of(tx, world, number)))


def _ids_of(tx: Tx, world: World, number: str) -> dict[str, str]:
    contact = tx.contact_by_number(number)
    assert contact is not None
    (interaction,) = tx.list_interactions(contact_id=contact.id)
    sent, received = tx.list_messages(MessageFilter(contact_id=contact.id))
    response = StandardResponse(id=world.bridge.ids.new("std_"), shortcut=number, title="t", text="x")
    tx.save_standard_response(response)
    tx.save_agent_status(AgentStatus(id="ag-7"))
    now_ms = world.clock.now_ms()
    tx.enqueue(NewJob(kind="nothing", queue="q", lane=number, ref="r", due_at_ms=now_ms, created_at_ms=now_ms))
    (job,) = tx.claim("q", now_ms=now_ms, lease_until_ms=now_ms + 1_000, limit=1)
    tx.bury_job(job, "a test gave it up", now_ms)
    return {
        "messages": sent.id,
        "interactions": interaction.id,
        "contacts": contact.id,
        "attachments": tx.attachments(received.id)[0].id,
        "notices": tx.list_notices(interaction_id=interaction.id)[0].id,
        "agents": "ag-7",
        "standard-responses": response.id,
        "dead-letters": str(tx.list_dead_letters(limit=1)[0].id),
        "arrivals": tx.list_arrivals(outcome=Arrived.UNRECOGNIZED, limit=1)[0].id,
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("served"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def document(served: Served) -> Any:
    """As it is served, less the keys: every request here has a good one, and test_api_keys.py tries the others."""
    said = requests.get(f"{served.url}/v1/openapi.json", timeout=60).json()
    return {name: part for name, part in said.items() if name != "security"}


@pytest.mark.parametrize(("endpoint", "mode"), KINDS)
def test_every_answer_is_one_that_the_document_promises(
    served: Served, document: Any, endpoint: Endpoint, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(dict(CONFIG)))
    operation = schema[endpoint.path][endpoint.method]
    ids = served.something()
    known = ids.get(endpoint.path.split("/")[2])

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def hold(case: schemathesis.Case) -> None:
        if known is not None and _is_good_path(case):
            case.path_parameters["id"] = known
        case.call_and_validate(
            base_url=served.url,
            headers={"Authorization": f"Bearer {served.key}"},
            excluded_checks=[ignored_auth],  # guessing keys would lock this address out
        )

    hold()


def _is_good_path(case: schemathesis.Case) -> bool:
    """Whether it is somewhere else that this request is bad, if it is."""
    made = case.meta.components.get(ParameterLocation.PATH) if case.meta else None
    return made is not None and made.mode is GenerationMode.POSITIVE and "id" in case.path_parameters


def test_the_document_has_every_call(document: Any) -> None:
    said = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert said >= {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
