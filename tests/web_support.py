"""A real server on loopback, over real databases, with a clock that the test moves."""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from yarl import URL

from audit.gate import Gate
from issuer.between.exchange import Exchange
from issuer.codes.issuing import Issuing
from issuer.people.binding import Sessions
from issuer.people.enrolment import Enrolment
from issuer.people.erasures import Erasures
from issuer.people.outbox import Message
from issuer.people.people import IndexCost, People, PeopleKeys
from issuer.publication.publishedlists import PublishedLists
from issuer.web.factory import Services, make_app
from issuer.web.server import Runner
from tests.described_support import require_described
from tests.issuing_support import NOW, SECRETS, Desk, authority, desk, seeded

__all__ = ["GRANDSON", "Answer", "Clock", "Phones", "Site", "serving"]

#: The least that libsodium takes.
CHEAP: Final = IndexCost(ops=1, mem=8192)
PEPPER: Final = b"pepper--" * 4
GRANDSON: Final = {"name": "王小明", "phone": "13800138000", "home": "610113"}


@dataclass
class Clock:
    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class Phones:
    """Every message that was delivered, oldest first."""

    messages: list[Message] = field(default_factory=list)

    def deliver(self, message: Message) -> None:
        self.messages.append(message)

    def last_code(self) -> str:
        """The one-time code in the newest message that holds one."""
        for message in reversed(self.messages):
            found = re.search(r"code is ([0-9]{6})", message.text.en)
            if found:
                return found[1]
        raise AssertionError("no code was sent")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever came
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The name of the problem; fails unless this is one in both languages."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        body = self.json
        assert body["status"] == self.status
        assert body["zh"]
        assert body["en"] == body["title"]
        return str(body["type"].rpartition("#")[2])


@dataclass
class Site:
    """The running service, from outside and from inside."""

    port: int
    client: aiohttp.ClientSession
    clock: Clock
    phones: Phones
    desk: Desk
    people: People
    enrolment: Enrolment
    issuing: Issuing
    gate: Gate
    public: Path
    app: web.Application

    async def ask(  # noqa: PLR0913 - one request has these parts
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        """One request to /api/v1 + *path*; its answer is as described, or this fails."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        url = f"http://127.0.0.1:{self.port}/api/v1{path}"
        async with self.client.request(
            method, URL(url, encoded=True), data=data, headers=sent
        ) as response:
            answer = Answer(response.status, response.headers.copy(), await response.read())
        media = answer.headers.get("Content-Type", "")
        require_described(method, path, answer.status, media, answer.body)
        return answer

    async def bound(self, person: Mapping[str, str] = GRANDSON) -> str:
        """Register and bind a person; their token."""
        assert (await self.ask("POST", "/register", dict(person))).status == 202
        wanted = {"name": person["name"], "phone": person["phone"]}
        asked = await self.ask("POST", "/bindings", wanted)
        confirmation = {"request": asked.json["request"], "code": self.phones.last_code()}
        made = await self.ask("POST", "/bindings/confirm", confirmation)
        assert made.status == 200, made
        return str(made.json["token"])


def enrolment_over(
    opened: Desk, sessions: Sessions, phones: Phones, clock: Callable[[], int]
) -> tuple[People, Enrolment]:
    """People and enrolment with a cheap index."""
    keys = PeopleKeys(SECRETS.kek, PEPPER, SECRETS.rows)
    erased = Path(opened.audit_engine.url.database or "").with_name("erased")
    people = People(opened.engine, keys, cost=CHEAP, randomness=seeded("people"))
    enrolment = Enrolment(
        opened.writer, people, sessions, phones, pepper=PEPPER,
        life_s=30 * 86400, clock=clock,
        erasures=Erasures(erased, SECRETS.rows),
    )  # fmt: skip
    return people, enrolment


@asynccontextmanager
async def serving(
    folder: Path, url: str | None = None, *, slot_s: float = 0.005
) -> AsyncIterator[Site]:
    """Serve on a free port of loopback until the block ends."""
    clock, phones, public = Clock(), Phones(), folder / "public"
    public.mkdir(exist_ok=True)
    with desk(url or f"sqlite:///{folder}/issuer.db", folder, authority=authority()) as opened:
        engine, writer = opened.engine, opened.writer
        sessions = Sessions(engine, SECRETS.rows)
        people, enrolment = enrolment_over(opened, sessions, phones, clock)
        gate = Gate(opened.audit_engine, opened.log)
        exchange = Exchange(writer, people, tuple, clock)
        with Issuing(writer, clock=clock) as issuing:
            services = Services(
                clock, sessions, enrolment, issuing, opened.log, gate,
                exchange, PublishedLists(public, writer), public, slot_s,
            )  # fmt: skip
            app = make_app(services)
            runner = Runner(app)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                port = runner.addresses[0][1]
                async with aiohttp.ClientSession(auto_decompress=False) as client:
                    yield Site(
                        port, client, clock, phones, opened, people, enrolment, issuing, gate,
                        public, app,
                    )  # fmt: skip
            finally:
                await runner.cleanup()
