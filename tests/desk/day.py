"""A day at a bicycle shop, as the desk shows it: people of several scripts, pictures, every state a text can have.

Yesterday is lived first, then moved back in the store while nobody runs: the bridge takes no times from anybody.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from desk.hands import Office

DAY_MS: Final = 86_400_000
MARA: Final = {"id": "mara", "name": "Mara Lindqvist"}
BO: Final = {"id": "bo", "name": "Bo Kowalczyk"}
TOMASZ: Final = {"id": "tomasz", "name": "Tomasz Wójcik"}

ANN: Final = "+447700900123"
MISAKI: Final = "+819012345678"
YASMIN: Final = "+962790123456"
NOBODY: Final = "+491713920012"
DIEGO: Final = "+447700900552"
OLAFUR: Final = "+3546112345"
PRIYA: Final = "+447700900771"
NOAM: Final = "+972501234567"
CY: Final = "+447700900333"
ZOE: Final = "+33612345678"
WLADYSLAWA: Final = "+48601234567"
LANDLINE: Final = "+442079460990"

NAMES: Final = {
    ANN: "Ann Lee",
    MISAKI: "佐藤 美咲",
    YASMIN: "ياسمين الخوري",
    DIEGO: "Diego Fernández",
    OLAFUR: "Ólafur Þórðarson",
    PRIYA: "Priya Raman",
    NOAM: "נועם ברק",
    CY: "Cy Okafor",
    ZOE: "Zoë Martin",
    WLADYSLAWA: "Władysława Brzęczyszczykiewicz-Kołodziejczyk",
    LANDLINE: "Brackley Wheels, front desk",
}
DETAILS: Final = {
    ANN: {"Language": "English", "Bike": "Longtail, belt drive, 2023", "Customer no.": "HC-20418"},
    DIEGO: {"Language": "Spanish", "Email": "diego.fernandez.de.la.vega@example.org"},
}


class Day:
    """Lives the day through the API and the phones. `live` answers the ids of its interactions by number."""

    def __init__(self, office: Office) -> None:
        self.office = office

    async def live(self) -> dict[str, str]:
        for who in (TOMASZ,):
            await self.office.hire(who["id"], who["name"])
        await self._yesterday()
        await self.office.process.stop()
        await asyncio.to_thread(_a_day_passes, self.office.folder / "data")
        await self.office.start()
        return await self._today()

    async def _yesterday(self) -> None:
        ann = await self._take(ANN, "Hi, can I bring it in tomorrow before nine?", MARA)
        await self._say(ann, MARA, "Yes, we open at eight. Ask for Tomasz.")
        await self._finish(ann, MARA, "Order status", "Coming by before nine. Back wheel clicks.")
        diego = await self._take(DIEGO, "Ya está la bici?", MARA)
        await self._say(diego, MARA, "Casi. Mañana a las 11 la tienes.")
        await self._finish(diego, MARA, "Order status", "Speaks some English, prefers Spanish.")
        cy = await self._take(CY, "What do you want for a used chain whip?", BO)
        await self._say(cy, BO, "We lend them out, free.")
        await self._finish(cy, BO, "Answered", "")
        await self._text(CY, "STOP")
        for number, text in ((NOAM, "תודה רבה! מתי אפשר לבוא לאסוף?"), (ZOE, "Bonjour ! Mon vélo est-il prêt ?")):
            taken = await self._take(number, text, MARA)
            await self._say(taken, MARA, "Tomorrow at noon.")
            await self._finish(taken, MARA, "Order status", "")

    async def _today(self) -> dict[str, str]:
        office = self.office
        await office.phone(DIEGO).become("switched_off")
        await office.phone(LANDLINE).become("landline")
        ann = await self._take(ANN, "The back wheel still clicks when I pedal 🙈", MARA)
        await self._say(ann, MARA, "A new bottom bracket is £36, fitting included. Shall we go ahead?")
        diego = await self._take(DIEGO, "¿Puedo pagar con tarjeta?", MARA)
        await self._say(diego, MARA, "Claro que sí. Abrimos hasta las 18:30.", "undelivered")
        landline = await self._create(LANDLINE, MARA)
        misaki = await self._take(MISAKI, "写真を送りました。ここがこすれています。", MARA)
        yasmin = await self._take(YASMIN, "شكراً جزيلاً، سأمرّ غداً صباحاً", MARA)
        nobody = await self._take(NOBODY, "Die Hinterradnabenschaltung meines Lastenrads klemmt im dritten Gang.", MARA)
        priya = await self._take(PRIYA, "Could you send me the invoice?", BO)
        await self._say(priya, BO, "The invoice is on its way.")
        olafur = await self._take(OLAFUR, "Takk! Sjáumst á morgun 👋", MARA)
        await self._say(olafur, MARA, "See you tomorrow.")
        await self._note(olafur, "Picks it up at ten, pays cash.")
        await office.api.post(f"/interactions/{olafur}/end", {"agent": "mara"})
        await office.phone(ANN).text(
            "Was on the ferry ⛴ no signal. Yes please, go ahead! The crew says hello:", "photo.jpg"
        )
        await office.phone(ANN).text("and the noise", "corrupt.jpg")
        await self._notice(ann, "attachment_problem")
        await self._say(ann, MARA, "Wonderful, we start right away.")
        await self._note(ann, "Bottom bracket £36, agreed by text. Ready at 17:00.")
        for number, text in (
            (MISAKI, "いつ取りに行けますか。"),
            (NOBODY, "Können Sie ihn morgen ansehen?"),
            (NOBODY, "Ab 8 Uhr."),
        ):
            await self._text(number, text)
        await office.api.call("PUT", "/agents/tomasz/status", {"ready": True, "name": TOMASZ["name"]})
        await office.api.call("PUT", "/agents/bo/status", {"ready": False, "reason": "Break", "name": BO["name"]})
        return {
            ANN: ann, DIEGO: diego, LANDLINE: landline, MISAKI: misaki, YASMIN: yasmin,
            NOBODY: nobody, PRIYA: priya, OLAFUR: olafur,
        }  # fmt: skip

    async def arrive(self) -> None:
        """Two texts that nobody has taken yet."""
        await self._text(WLADYSLAWA, "Dzień dobry, czy mogę odebrać rower dzisiaj po południu?")
        await self._text(ZOE, "Bonjour ! Vous êtes ouverts samedi ?")

    async def _take(self, number: str, text: str, agent: dict[str, str]) -> str:
        await self._text(number, text)
        interaction = await self.office.api.interaction_of(number)
        identifier = str(interaction["id"])
        await self.office.api.post(f"/interactions/{identifier}/accept", {"agent": agent})
        return identifier

    async def _create(self, number: str, agent: dict[str, str]) -> str:
        made = await self.office.api.post(
            "/interactions", {"to": number, "agent": agent, "force": True}, status=201, Idempotency_Key=number
        )
        await self._know(number)
        await self._say(str(made["id"]), agent, "Your wheel is ready.", "failed", force=True)
        return str(made["id"])

    async def _text(self, number: str, text: str) -> None:
        await self.office.phone(number).text(text)
        await self.office.api.interaction_of(number)
        await self._know(number)

    async def _know(self, number: str) -> None:
        found = await self.office.api.get(f"/contacts?query={number.removeprefix('+')}")
        contact = next(each for each in found["items"] if each["number"] == number)
        if NAMES.get(number) and not contact["name"]:
            what: dict[str, Any] = {"name": NAMES[number], "attributes": DETAILS.get(number, {})}
            await self.office.api.call("PATCH", f"/contacts/{contact['id']}", what)

    async def _say(
        self, interaction: str, agent: dict[str, str], text: str, status: str = "delivered", **more: Any
    ) -> None:
        said = await self.office.api.post(
            "/messages",
            {"interaction_id": interaction, "text": text, "agent": agent["id"], **more},
            status=202,
            Idempotency_Key=f"{interaction}{text}"[:100].encode("ascii", "replace").decode(),
        )
        await self.office.api.status(said["id"], status)
        await self.office.api.post(f"/interactions/{interaction}/read", {"agent": agent["id"]}, status=204)

    async def _note(self, interaction: str, note: str) -> None:
        answer = await self.office.api.call("PATCH", f"/interactions/{interaction}", {"note": note})
        assert answer.status == 200, answer.body

    async def _finish(self, interaction: str, agent: dict[str, str], disposition: str, note: str) -> None:
        api = self.office.api
        await api.post(f"/interactions/{interaction}/end", {"agent": agent["id"]})
        what = {"agent": agent["id"], "disposition": disposition, "note": note}
        await api.post(f"/interactions/{interaction}/done", what)

    async def _notice(self, interaction: str, kind: str) -> None:
        await self.office.api.notice(interaction, kind)


def _a_day_passes(data: Path) -> None:
    (store,) = data.glob("*.sqlite3")
    with closing(sqlite3.connect(store)) as connection, connection:
        for table in ("contacts", "conversations", "interactions", "messages", "notices", "transcript", "opt_outs"):
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            times = [name for name in names if name.endswith(("_ms", "last_activity_ms"))]
            moved = ", ".join(f"{name} = {name} - {DAY_MS}" for name in times)
            connection.execute(f"UPDATE {table} SET {moved}")
