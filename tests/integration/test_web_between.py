"""Two real servers on loopback: notices over HTTP, appeals by the person, refusals in words."""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from audit.errors import LogBusyError
from audit.events import Kind
from audit.logreader import LoggedEvent, LogReader
from audit.record import open_proof
from issuer.between.exchange import Exchange
from issuer.between.message import Ground
from issuer.between.post import PATH, inbox_of
from issuer.people.identity import Identity
from issuer.web.appkeys import EXCHANGE, SOON
from keys.lifecycle import Purpose
from keys.sealedbox import BoxOpener
from tests.issuing_support import NOW
from tests.regions_support import (
    HEILONGJIANG,
    SHAANXI,
    contact_of,
    opener,
    region_signer,
    two_region_trust,
)
from tests.web_support import GRANDSON, Site, serving

TRAVELLER = Identity("王小明", "+8613800138000")


@asynccontextmanager
async def two_servers(folder: Path) -> AsyncIterator[tuple[Site, Site]]:
    """Heilongjiang and Shaanxi, each serving; the trust list names their ports."""
    async with AsyncExitStack() as stack:
        sites = []
        for region in (HEILONGJIANG, SHAANXI):
            (folder / region).mkdir()
            sites.append(await stack.enter_async_context(serving(folder / region)))
        _introduce(*sites)
        yield sites[0], sites[1]


def _introduce(there: Site, here: Site) -> None:
    """Give both the trust list that names both, and exchanges with their keys."""
    base = two_region_trust()
    ports = {HEILONGJIANG: there.port, SHAANXI: here.port}
    issuers = tuple(
        replace(one, status_base=f"http://127.0.0.1:{ports[one.region]}/status/")
        for one in base.issuers
    )
    trust = replace(base, issuers=issuers)
    for region, site in ((HEILONGJIANG, there), (SHAANXI, here)):
        issuer = trust.issuer(region)
        assert issuer is not None
        writer = site.desk.writer
        evidence_key = region_signer(region, Purpose.EVIDENCE)
        writer.authority = replace(
            writer.authority, trust=trust, issuer=issuer, evidence_key=evidence_key
        )
        exchange = Exchange(writer, site.people, partial(_openers, region), site.clock)
        site.app._state[EXCHANGE] = exchange  # the application is frozen while it serves


def _openers(region: str) -> tuple[BoxOpener, ...]:
    return (opener(region),)


def exchange_of(site: Site) -> Exchange:
    return site.app[EXCHANGE]


async def in_thread(work: Any, *arguments: Any) -> Any:  # noqa: ANN401 # whatever it gives
    return await asyncio.to_thread(work, *arguments)


async def done_soon(site: Site) -> None:
    """One thread does such work in turn, so it has done the notice when it gets to this."""
    done = threading.Event()
    site.app[SOON].submit(done.set)
    assert await in_thread(done.wait, 10)


async def colour_of(site: Site, token: str) -> Any:  # noqa: ANN401 # JSON
    return (await site.ask("GET", "/me/colour", token=token)).json


async def told(there: Site, here: Site) -> str:
    """A traveller is bound in Shaanxi, and Heilongjiang tells of a contact; their token."""
    token = await here.bound(GRANDSON)
    await in_thread(exchange_of(there).tell, SHAANXI, TRAVELLER, [contact_of(1)])
    assert await in_thread(exchange_of(there).deliver) == 1
    await in_thread(exchange_of(here).take)  # what the server began by itself is done by then
    return token


async def test_notice_over_http_turns_the_traveller_red_and_names_the_region(
    tmp_path: Path,
) -> None:
    """In both languages, with the code of the region for programs."""
    async with two_servers(tmp_path) as (there, here):
        token = await told(there, here)
        shown = await colour_of(here, token)
        assert shown["colour"] == "red"
        (reason,) = shown["reasons"]
        assert reason["origins"] == [HEILONGJIANG]
        assert "黑龙江" in reason["zh"]
        assert "Heilongjiang" in reason["en"]
        assert shown["how_to_appeal"]["zh"].startswith("黑龙江省提供的信息如有误")
        assert shown["how_to_appeal"]["en"].startswith("What Heilongjiang reported")


async def test_notice_has_its_effect_without_anybody_asking(tmp_path: Path) -> None:
    """The server takes it by itself, right after the receipt."""
    async with two_servers(tmp_path) as (there, here):
        token = await here.bound(GRANDSON)
        await in_thread(exchange_of(there).tell, SHAANXI, TRAVELLER, [contact_of(1)])
        await in_thread(exchange_of(there).deliver)
        await done_soon(here)
        assert (await colour_of(here, token))["colour"] == "red"


async def test_appeal_goes_there_and_its_answer_comes_back(tmp_path: Path) -> None:
    """The person reads every step, each with a proof that verifies offline."""
    async with two_servers(tmp_path) as (there, here):
        token = await told(there, here)
        wanted = {"region": HEILONGJIANG, "ground": "not-me"}
        filed = await here.ask("POST", "/me/appeals", wanted, token=token)
        assert filed.status == 202
        assert filed.json["state"] == "open"
        again = await here.ask("POST", "/me/appeals", wanted, token=token)
        assert again.json["appeal"] == filed.json["appeal"]
        assert await in_thread(exchange_of(here).deliver) == 1
        await in_thread(exchange_of(there).take)
        appeal_id = bytes.fromhex(filed.json["appeal"])
        await in_thread(lambda: exchange_of(there).answer(appeal_id, is_upheld=False))
        assert await in_thread(exchange_of(there).deliver) == 1
        await in_thread(exchange_of(here).take)
        (shown,) = (await here.ask("GET", "/me/appeals", token=token)).json["appeals"]
        assert (shown["state"], shown["region_zh"]) == ("corrected", "黑龙江省")
        kinds = [
            open_proof(step["proof"].encode(), here.desk.log.key).kind for step in shown["steps"]
        ]
        assert kinds == ["appeal-filed", "appeal-answered"]
        assert (await colour_of(here, token))["colour"] == "green"


async def test_appeal_shows_no_state_that_the_log_does_not_hold_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is stored and not logged yet is logged before anybody reads it."""
    async with two_servers(tmp_path) as (there, here):
        token = await told(there, here)
        wanted = {"region": HEILONGJIANG, "ground": "not-me"}
        filed = await here.ask("POST", "/me/appeals", wanted, token=token)
        await in_thread(exchange_of(here).deliver)
        await in_thread(exchange_of(there).take)
        appeal_id = bytes.fromhex(filed.json["appeal"])
        await in_thread(lambda: exchange_of(there).answer(appeal_id, is_upheld=False))
        with monkeypatch.context() as away:
            away.setattr(here.desk.log, "append", _away)
            await in_thread(exchange_of(there).deliver)
            await done_soon(here)
        (shown,) = (await here.ask("GET", "/me/appeals", token=token)).json["appeals"]
        assert shown["state"] == "corrected"
        assert len(shown["steps"]) == 2


async def test_appeals_are_shown_without_reading_the_rest_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else the log says of a person can be long, and whoever asks in a loop is not limited."""
    read: list[Kind] = []
    events_of = LogReader.events_of

    def noting(self: LogReader, *of: Any) -> tuple[LoggedEvent, ...]:  # noqa: ANN401 # handed on
        found = events_of(self, *of)
        read.extend(logged.event.kind for logged in found)
        return found

    monkeypatch.setattr(LogReader, "events_of", noting)
    async with two_servers(tmp_path) as (there, here):
        token = await told(there, here)
        assert (await here.ask("GET", "/me/appeals", token=token)).status == 200
        wanted = {"region": HEILONGJIANG, "ground": "not-me"}
        for _ in range(2):
            assert (await here.ask("POST", "/me/appeals", wanted, token=token)).status == 202
        assert (await here.ask("GET", "/me/appeals", token=token)).status == 200
    assert read == [Kind.APPEAL_FILED] * 3


def _away(*_: object, **__: object) -> list[int]:
    raise LogBusyError("the log is away")


async def test_appeal_without_anything_to_contest_is_a_conflict(tmp_path: Path) -> None:
    """Whoever is green, or red for their own word, has nothing to ask another region."""
    async with two_servers(tmp_path) as (_, here):
        token = await here.bound(GRANDSON)
        for region in (HEILONGJIANG, SHAANXI, "330000", "899999"):
            wanted = {"region": region, "ground": "not-me"}
            answer = await here.ask("POST", "/me/appeals", wanted, token=token)
            assert (answer.status, answer.problem) == (409, "nothing-to-appeal")
        assert (await here.ask("GET", "/me/appeals", token=token)).json == {"appeals": []}
        wrong = await here.ask("POST", "/me/appeals", {"region": "x", "ground": "y"}, token=token)
        assert wrong.status == 422
        assert (await here.ask("GET", "/me/appeals")).status == 401


@pytest.mark.parametrize(
    ("notice", "problem"),
    [
        ("", "region-notice-refused"),
        ("%%%%", "region-notice-refused"),
        ("王秀兰", "region-notice-refused"),
        (base64.b64encode(b"\xa0").decode(), "region-notice-refused"),
        ("A" * 12_000, "wrong-value"),
        (7, "wrong-value"),
    ],
)
async def test_notice_that_is_none_is_refused(tmp_path: Path, notice: object, problem: str) -> None:
    """422, in both languages, without a word of why."""
    async with serving(tmp_path) as site:
        answer = await site.ask("POST", "/region-notices", {"notice": notice})
        assert (answer.status, answer.problem) == (422, problem)


async def test_notice_for_another_region_is_refused_and_kept_by_its_sender(
    tmp_path: Path,
) -> None:
    """A server in another's place gives no receipt that counts, so nothing is lost."""
    async with two_servers(tmp_path) as (there, here):
        await in_thread(exchange_of(there).tell, SHAANXI, TRAVELLER, [contact_of(1)])
        writer = there.desk.writer
        good = writer.authority
        lied = tuple(
            replace(one, status_base=f"http://127.0.0.1:{there.port}/status/")
            for one in good.trust.issuers
        )
        writer.authority = replace(good, trust=replace(good.trust, issuers=lied))
        assert await in_thread(exchange_of(there).deliver) == 0
        writer.authority = good
        there.clock.now += 10
        assert await in_thread(exchange_of(there).deliver) == 1
        assert await in_thread(exchange_of(here).take) in {0, 1}


async def test_receiver_that_is_not_there_costs_one_try(tmp_path: Path) -> None:
    """A refused connection is no error of ours."""
    async with two_servers(tmp_path) as (there, _):
        for number in range(3):
            await in_thread(exchange_of(there).tell, SHAANXI, TRAVELLER, [contact_of(number)])
        writer = there.desk.writer
        gone = tuple(
            replace(one, status_base="http://127.0.0.1:1/")
            for one in writer.authority.trust.issuers
        )
        trust = replace(writer.authority.trust, issuers=gone)
        writer.authority = replace(writer.authority, trust=trust)
        assert await in_thread(exchange_of(there).deliver) == 0
        assert await in_thread(exchange_of(there).deliver) == 0


def test_inbox_is_on_the_host_of_the_status_lists() -> None:
    """And nowhere for a region that is not listed."""
    trust = two_region_trust(NOW)
    assert inbox_of(trust, SHAANXI) == f"https://shaanxi.example{PATH}"
    assert inbox_of(trust, "330000") is None


def test_grounds_of_the_api_are_those_of_the_format() -> None:
    """A ground that can be chosen can be sent."""
    from issuer.web.handlers.between import AppealWanted  # noqa: PLC0415

    schema = AppealWanted.model_json_schema()["properties"]["ground"]
    assert schema["enum"] == [*Ground]
