"""The API as described: every route served and described, every answer as its schema says."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # has no stubs
from openapi_spec_validator import validate

from audit.access import AccessRequest, Field
from audit.access import Purpose as AccessPurpose
from audit.database import writing
from audit.record import open_proof
from issuer.codes.issue import MAX_CODES, MAX_HELD
from issuer.codes.lists import SPREAD_S
from issuer.colour.declare import DECLARABLE
from issuer.colour.evidence import VOCABULARY, Kind
from issuer.colour.risk import RiskLevel
from issuer.people.binding import Sessions
from issuer.people.problems import Problem
from issuer.publication.publish import Publisher
from issuer.web.appkeys import SESSIONS
from issuer.web.refusals import HOLD_S
from keys.lifecycle import Purpose
from keys.trustlist import Ending
from tests.code_support import YANAN, paper_code
from tests.described_support import described
from tests.issuing_support import COMPOUND, NOW, SECRETS, contact, holder_keys, signer
from tests.web_support import Site, enrolment_over, serving
from verifier.check import Reason, check_code
from verifier.claims import Colour
from verifier.transport import decode_text, encode_text

KEY = "0123456789abcdef"
COUGH = {"value": "cough", "since": "2020-12-12"}
ENTERED = {"place": "231081", "at": "2020-12-12"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture
async def each_site(engine_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    """Over each kind of database, for what depends on it."""
    async with serving(tmp_path, engine_url) as running:
        yield running


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_description_is_valid_openapi() -> None:
    """The description is OpenAPI 3.1."""
    validate(described())


async def test_description_and_router_agree(site: Site) -> None:
    """Every route is described, every described path is routed, and it is served as it is."""
    served = (await site.ask("GET", "/openapi.json")).json
    assert served["paths"] == described()["paths"]
    routed = {
        (route.method.lower(), re.sub(r"\{(\w+):[^/]*\}", r"{\1}", route.resource.canonical))
        for route in site.app.router.routes()
        if route.resource is not None and route.method not in {"HEAD", "*"}
    }
    assert routed == {
        (method, path) for path, methods in served["paths"].items() for method in methods
    }


async def test_every_described_bound_route_refuses_without_a_binding(site: Site) -> None:
    """Where the description asks for a binding, nobody is let in without; elsewhere all are."""
    for path, methods in described()["paths"].items():
        for method, operation in methods.items():
            url = re.sub(r"\{\w+\}", "0" * 16, path.removeprefix("/api/v1"))
            answer = await site.ask(method.upper(), url)
            assert (answer.status == 401) is bool(operation["security"]), path
            if answer.status == 401:
                assert answer.problem == Problem.NOT_BOUND
                assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "bearer " + "A" * 43, "Basic " + "A" * 43, "Bearer " + "A" * 43,
     "Bearer " + "A" * 43 + " x", "Bearer \xe7"],
)  # fmt: skip
async def test_no_token_of_ours_is_401(site: Site, header: str) -> None:
    """Whatever is not a token that we gave out is nobody's."""
    answer = await site.ask("GET", "/me/colour", headers={"Authorization": header})
    assert (answer.status, answer.problem) == (401, Problem.NOT_BOUND)


async def test_scheme_of_a_token_is_read_in_any_case(site: Site) -> None:
    """A phone that writes "bearer" is not sent to bind again and again (RFC 9110 §11.1)."""
    header = {"Authorization": f"bearer {await site.bound()}"}
    assert (await site.ask("GET", "/me/colour", headers=header)).status == 200


@pytest.mark.parametrize("token", [b"\xff", b"A" * 42 + b"\xff", b"\xed\xa0\x80"])
async def test_token_that_is_no_text_is_401(site: Site, token: bytes) -> None:
    """Bytes of a header that are not UTF-8 are nobody's token, and no failure of ours."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = b"GET /api/v1/me/colour HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    writer.write(head + b"Authorization: Bearer " + token + b"\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 401 ")
    writer.close()


async def test_security_headers_on_every_kind_of_answer(site: Site) -> None:
    """Data is never a page, never framed, never guessed at, never kept."""
    for answer in (
        await site.ask("GET", "/health"),
        await site.ask("GET", "/me/colour"),
        await site.ask("GET", "/nothing"),
        await site.ask("POST", "/check", {"code": "x"}),
        await site.ask("GET", "/openapi.json"),
    ):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] == "celadon"
        assert "Set-Cookie" not in answer.headers


async def test_story_of_a_person(each_site: Site) -> None:
    """Register, bind, read the colour, fetch codes, fall ill, and the codes are taken back."""
    site = each_site
    token = await site.bound()
    colour = await site.ask("GET", "/me/colour", token=token)
    assert colour.json["colour"] == "green"

    keys = holder_keys(4)
    wanted = {"medium": "phone", "holder_keys": [b64(key) for key in keys], "days": 2}
    codes = await site.ask(
        "POST", "/me/codes", wanted, token=token, headers={"Idempotency-Key": KEY}
    )
    trust = site.desk.writer.authority.trust
    for text, key in zip(codes.json["codes"], keys, strict=True):
        code = check_code(decode_text(text), trust, now=NOW + 86400)
        if isinstance(code, Reason):
            code = check_code(decode_text(text), trust, now=NOW)
        assert not isinstance(code, Reason)
        assert code.colour is Colour.GREEN
        assert code.holder_key == key

    said = {"symptoms": [{"value": "cough", "since": "2020-12-12"}], "survey": "clear"}
    recorded = await site.ask("POST", "/me/declarations", said, token=token)
    assert (recorded.status, recorded.json) == (201, {"recorded": 2})
    colour = await site.ask("GET", "/me/colour", token=token)
    assert colour.json["colour"] == "red"
    assert colour.json["changes_at"] == "2020-12-28T00:00:00+08:00"
    assert [reason["rule"] for reason in colour.json["reasons"]] == ["red-symptom"]
    assert "发热" in colour.json["reasons"][0]["zh"]
    contact = site.desk.writer.authority.issuer.contact
    assert contact in colour.json["how_to_appeal"]["zh"]
    assert contact in colour.json["how_to_appeal"]["en"]
    with site.desk.engine.connect() as connection:
        superseded = connection.exec_driver_sql("SELECT count(*) FROM status_change").scalar_one()
    assert superseded == len(keys)


@pytest.mark.parametrize(
    ("until", "colour"), [(None, "red"), ("2020-12-13", "red"), ("2020-11-24", "green")]
)
async def test_declare_symptom_that_has_not_ended_counts_as_of_today(
    site: Site, until: str | None, colour: str
) -> None:
    """A cough for three weeks is a cough now, unless the person says that it is over."""
    token = await site.bound()
    said = {"symptoms": [{"value": "cough", "since": "2020-11-22", "until": until}]}
    assert (await site.ask("POST", "/me/declarations", said, token=token)).status == 201
    assert (await site.ask("GET", "/me/colour", token=token)).json["colour"] == colour


async def test_codes_same_key_same_body_gives_the_same_codes(each_site: Site) -> None:
    """A retry has one effect and one answer; another body under the key is refused (C109)."""
    site = each_site
    token = await site.bound()
    headers = {"Idempotency-Key": KEY}
    first = await site.ask("POST", "/me/codes", {"medium": "paper"}, token=token, headers=headers)
    again = await site.ask("POST", "/me/codes", {"medium": "paper"}, token=token, headers=headers)
    assert (first.status, first.body) == (again.status, again.body) == (200, first.body)
    other = {"medium": "phone", "holder_keys": [b64(holder_keys(1)[0])]}
    refused = await site.ask("POST", "/me/codes", other, token=token, headers=headers)
    assert (refused.status, refused.problem) == (409, Problem.IDEMPOTENCY_CONFLICT)


async def test_codes_same_key_of_another_person_is_another_request(site: Site) -> None:
    """Idempotency keys are each person's own: nobody gets another one's codes (C113)."""
    one = await site.bound()
    two = await site.bound({"name": "李强", "phone": "13900139000", "home": "610113"})
    headers = {"Idempotency-Key": KEY}
    answers = [
        await site.ask("POST", "/me/codes", {"medium": "paper"}, token=token, headers=headers)
        for token in (one, two)
    ]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json["codes"] != answers[1].json["codes"]


async def test_codes_hundred_equal_requests_at_once_have_one_effect(each_site: Site) -> None:
    """A hundred retries at the same moment get one and the same code (C110)."""
    site = each_site
    token = await site.bound()
    headers = {"Idempotency-Key": KEY}
    answers = await asyncio.gather(
        *(
            site.ask("POST", "/me/codes", {"medium": "paper"}, token=token, headers=headers)
            for _ in range(100)
        )
    )
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    with site.desk.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM code_batch").scalar_one() == 1


async def test_codes_beyond_what_one_person_may_hold_are_refused(site: Site) -> None:
    """429 in both languages; nothing was made."""
    token = await site.bound()
    answers = []
    for turn in range(MAX_HELD // MAX_CODES + 1):
        keys = holder_keys(MAX_CODES, first=turn * MAX_CODES)
        wanted = {"medium": "phone", "holder_keys": list(map(b64, keys))}
        headers = {"Idempotency-Key": f"{KEY}-{turn}"}
        answers.append(await site.ask("POST", "/me/codes", wanted, token=token, headers=headers))
    *good, refused = answers
    assert {answer.status for answer in good} == {200}
    assert (refused.status, refused.problem) == (429, Problem.TOO_MANY_CODES)


async def test_codes_of_an_issuer_that_ended_are_gone_and_name_the_successor(site: Site) -> None:
    """N6: whoever asks too late learns which region to ask instead."""
    token = await site.bound()
    held = site.desk.writer.authority
    issuer = replace(held.issuer, ending=Ending("230000", NOW, NOW + 999 * 86400))
    site.desk.writer.authority = replace(held, issuer=issuer)
    headers = {"Idempotency-Key": KEY}
    gone = await site.ask("POST", "/me/codes", {"medium": "paper"}, token=token, headers=headers)
    assert (gone.status, gone.problem) == (410, Problem.ISSUER_ENDED)
    assert gone.json["successor"] == "230000"


@pytest.mark.parametrize("key", [None, "", "short", "k" * 65, "with space 123456", "名" * 16])
async def test_codes_without_a_good_idempotency_key_are_refused(
    site: Site, key: str | None
) -> None:
    """A key has 16 to 64 plain characters, and the description says so."""
    token = await site.bound()
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await site.ask("POST", "/me/codes", {"medium": "paper"}, token=token, headers=headers)
    assert (answer.status, answer.problem) == (400, Problem.IDEMPOTENCY_KEY)
    (parameter,) = described()["paths"]["/api/v1/me/codes"]["post"]["parameters"]
    assert parameter["required"]
    assert not Draft202012Validator(parameter["schema"]).is_valid(key or "")
    assert Draft202012Validator(parameter["schema"]).is_valid(KEY)


SMALL_ORDER = bytes([1]) + bytes(31)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"medium": "stone"}, Problem.WRONG_VALUE),
        ({"medium": "phone"}, Problem.MISSING_MEMBER),
        ({"medium": "phone", "holder_keys": []}, Problem.MISSING_MEMBER),
        ({"medium": "paper", "holder_keys": [b64(holder_keys(1)[0])]}, Problem.WRONG_VALUE),
        ({"medium": "phone", "holder_keys": [b64(holder_keys(1)[0])] * 2}, Problem.BAD_HOLDER_KEY),
        ({"medium": "phone", "holder_keys": [b64(SMALL_ORDER)]}, Problem.BAD_HOLDER_KEY),
        ({"medium": "phone", "holder_keys": [b64(b"\xff" * 32)]}, Problem.BAD_HOLDER_KEY),
        ({"medium": "phone", "holder_keys": ["A" * 42]}, Problem.WRONG_VALUE),
        ({"medium": "phone", "holder_keys": ["A" * 42 + "B"]}, Problem.BAD_HOLDER_KEY),
        (
            {"medium": "phone", "holder_keys": [b64(k) for k in holder_keys(33)]},
            Problem.WRONG_VALUE,
        ),
        ({"medium": "paper", "days": 2}, Problem.WRONG_VALUE),
        ({"medium": "paper", "days": 0}, Problem.WRONG_VALUE),
        ({"medium": "paper", "days": 10**30}, Problem.WRONG_VALUE),
        ({"medium": "paper", "days": True}, Problem.WRONG_VALUE),
        ({"medium": "paper", "days": 1.0}, Problem.WRONG_VALUE),
        ({"medium": "paper", "colour": "green"}, Problem.UNKNOWN_MEMBER),
    ],
)
async def test_codes_of_a_wrong_wish_are_refused(
    tmp_path: Path, body: dict[str, object], problem: Problem
) -> None:
    """Keys that are no keys, twice the same, too many, and wishes that cannot be are 422."""
    async with serving(tmp_path) as site:
        token = await site.bound()
        headers = {"Idempotency-Key": KEY}
        answer = await site.ask("POST", "/me/codes", body, token=token, headers=headers)
        assert (answer.status, answer.problem) == (422, problem)


async def test_codes_while_pending_are_withheld_with_a_reason(site: Site) -> None:
    """Without a colour there is no code, and the refusal says what to do."""
    token = await site.bound()
    await site.ask("POST", "/me/declarations", {"survey": "incomplete"}, token=token)
    headers = {"Idempotency-Key": KEY}
    answer = await site.ask("POST", "/me/codes", {"medium": "paper"}, token=token, headers=headers)
    assert (answer.status, answer.problem) == (409, Problem.COLOUR_PENDING)
    colour = await site.ask("GET", "/me/colour", token=token)
    assert colour.json["colour"] == "pending"


GOOD_TIMES = ["2020-12-12", "2020-12-12T08:00:00+08:00", "2020-12-12T00:00:00Z"]
BAD_TIMES = {
    "2020-W50-7": Problem.TIME_FORM,
    "20201212": Problem.TIME_FORM,
    "2020-12-12T08:00:00": Problem.TIME_FORM,
    "2020-12-12T08:00": Problem.TIME_FORM,
    "2020-12-12 08:00:00+08:00": Problem.TIME_FORM,
    "2020-12-12T24:00:00+08:00": Problem.TIME_FORM,
    "2020-12-12T08:00:60+08:00": Problem.TIME_FORM,
    "2020-12-12T08:00:00.5+08:00": Problem.TIME_FORM,
    "2020-12-12T08:00:00+0800": Problem.TIME_FORM,
    "2020-11-31": Problem.TIME_FORM,
    "2019-02-29": Problem.TIME_FORM,
    "2020-13-01": Problem.TIME_FORM,
    "0001-01-01": Problem.TIME_FORM,
    "9999-12-31": Problem.TIME_FORM,
    "\uff12\uff10\uff12\uff10-12-12": Problem.TIME_FORM,
    "٢٠٢٠-12-12": Problem.TIME_FORM,
    "12/12/2020": Problem.TIME_FORM,
    "2020-12-12\n": Problem.TIME_FORM,
    "": Problem.TIME_FORM,
    "1607832000": Problem.TIME_FORM,
    "2020-12-14": Problem.TIME_OUT_OF_RANGE,
    "2020-02-29": Problem.TIME_OUT_OF_RANGE,
    "2020-10-01": Problem.TIME_OUT_OF_RANGE,
    "2020-12-12T08:00:00+99:99": Problem.TIME_FORM,
}


async def test_declared_times_have_one_spelling(site: Site) -> None:
    """Week dates, basic forms, naive times, 24:00, :60 and days that never were are 422 (C105)."""
    token = await site.bound()
    for text, problem in BAD_TIMES.items():
        said = {"symptoms": [{"value": "cough", "since": text}]}
        answer = await site.ask("POST", "/me/declarations", said, token=token)
        assert (answer.status, answer.problem) == (422, problem), text
    for text in GOOD_TIMES:
        said = {"symptoms": [{"value": "cough", "since": text}]}
        answer = await site.ask("POST", "/me/declarations", said, token=token)
        assert answer.status == 201, text


async def test_risk_on_29_february_of_a_leap_year(site: Site) -> None:
    """The one valid leap day is a day like others."""
    answer = await site.ask("GET", "/regions/231081/risk?at=2020-02-29")
    assert answer.status == 200


@pytest.mark.parametrize(
    ("said", "status", "problem"),
    [
        ({}, 422, Problem.MISSING_MEMBER),
        ({"symptoms": []}, 422, Problem.MISSING_MEMBER),
        ({"results": [{"value": "negative"}]}, 422, Problem.UNKNOWN_MEMBER),
        ({"survey": "green"}, 422, Problem.WRONG_VALUE),
        ({"colour": "green"}, 422, Problem.UNKNOWN_MEMBER),
        ({"symptoms": [{"value": "sadness", "since": "2020-12-12"}]}, 422, Problem.WRONG_VALUE),
        ({"arrivals": [{"place": "999999", "at": "2020-12-12"}]}, 422, Problem.UNKNOWN_PLACE),
        ({"arrivals": [{"place": "231081 ", "at": "2020-12-12"}]}, 422, Problem.UNKNOWN_PLACE),
        ({"residence": {"place": "610113'--", "since": "2020-12-12"}}, 422, Problem.UNKNOWN_PLACE),
        (
            {"symptoms": [{"value": "cough", "since": "2020-12-12"}] * 21},
            422,
            Problem.WRONG_VALUE,
        ),
        (
            {"symptoms": [{"value": "cough", "since": "2020-12-12"}] * 20, "survey": "clear"},
            422,
            Problem.TOO_MANY,
        ),
    ],
)
async def test_declarations_beyond_what_people_may_say(
    tmp_path: Path, said: dict[str, object], status: int, problem: Problem
) -> None:
    """The vocabulary is closed: nobody declares a colour or a test result."""
    async with serving(tmp_path) as site:
        answer = await site.ask("POST", "/me/declarations", said, token=await site.bound())
        assert (answer.status, answer.problem) == (status, problem)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"symptoms": [COUGH, {**COUGH, "since": "2020-W50"}]}, "symptoms.1.since"),
        ({"symptoms": [COUGH, {**COUGH, "until": "tomorrow"}]}, "symptoms.1.until"),
        ({"symptoms": [COUGH, {**COUGH, "since": "2020-12-31"}]}, "symptoms.1"),
        ({"arrivals": [ENTERED, {**ENTERED, "at": "yesterday"}]}, "arrivals.1.at"),
        ({"arrivals": [ENTERED, {**ENTERED, "place": "999999"}]}, "arrivals.1.place"),
        ({"arrivals": [ENTERED, {**ENTERED, "at": "2020-01-01"}]}, "arrivals.1"),
        ({"residence": {"place": "999999", "since": "2020-12-12"}}, "residence.place"),
        ({"residence": {"place": "610113", "since": "2020-12-31"}}, "residence"),
    ],
)
async def test_declaration_refused_says_which_of_its_records(
    site: Site, said: dict[str, object], field: str
) -> None:
    """Whoever fills in a long form is told which line to mend."""
    answer = await site.ask("POST", "/me/declarations", said, token=await site.bound())
    assert (answer.status, answer.json.get("field")) == (422, field)


async def test_declarations_of_a_day_are_bounded(each_site: Site) -> None:
    """Nobody fills the database by declaring."""
    site = each_site
    token = await site.bound()
    said = {"symptoms": [{"value": "cough", "since": "2020-12-12"}] * 20}
    statuses = [
        (await site.ask("POST", "/me/declarations", said, token=token)).status for _ in range(3)
    ]
    assert statuses == [201, 201, 422]


async def test_declaration_takes_nothing_back(site: Site) -> None:
    """Declaring another home or a clear survey does not turn red into green."""
    token = await site.bound()
    person = site.people.find(site.people.digest_of_name_and_phone("王小明", "+8613800138000"))
    assert person is not None
    site.desk.record(replace(contact(1), subject=person))
    said = {"residence": {"place": "610102", "since": "2020-12-01"}, "survey": "clear"}
    assert (await site.ask("POST", "/me/declarations", said, token=token)).status == 201
    colour = await site.ask("GET", "/me/colour", token=token)
    assert colour.json["colour"] == "red"


async def test_accesses_show_who_read_with_proofs(each_site: Site) -> None:
    """A look-up by a clerk, let in or not, stands in the person's record with a proof."""
    site = each_site
    token = await site.bound()
    person = site.people.find(site.people.digest_of_name_and_phone("王小明", "+8613800138000"))
    assert person is not None
    request = AccessRequest(
        principal="clerk-17",
        organisation="hospital-xian-4",
        purpose=AccessPurpose.HOSPITAL_LOOK_UP,
        case="GL-20201213-0042",
        subject=person,
        fields=frozenset({Field.NAME}),
    )
    site.gate.open(request, lambda _subject, _fields: {}, now=NOW)
    answer = await site.ask("GET", "/me/accesses", token=token)
    refused, own = answer.json["accesses"]
    assert (refused["purpose"], refused["refused"]) == ("hospital-look-up", "no-grant")
    assert own["purpose"] == "own-record"
    for access in (refused, own):
        event = open_proof(access["proof"].encode(), site.desk.log.key)
        assert event.subject == person


async def test_accesses_read_too_often_are_refused(site: Site) -> None:
    """Reading one's own record has a quota too, and the refusal is 429."""
    token = await site.bound()
    statuses = {(await site.ask("GET", "/me/accesses", token=token)).status for _ in range(100)}
    assert statuses == {200}
    answer = await site.ask("GET", "/me/accesses", token=token)
    assert (answer.status, answer.problem) == (429, Problem.TOO_MANY_READS)


async def test_accesses_refused_in_a_loop_fill_no_log(site: Site) -> None:
    """Whoever goes on asking is refused all the same, and leaves one entry a minute."""
    one = await site.bound()
    two = await site.bound({"name": "李强", "phone": "13900139000", "home": "610113"})
    for _ in range(101):
        await site.ask("GET", "/me/accesses", token=one)
    size = site.desk.log.size()
    loop = {(await site.ask("GET", "/me/accesses", token=one)).status for _ in range(50)}
    assert loop == {429}
    assert site.desk.log.size() == size
    assert (await site.ask("GET", "/me/accesses", token=two)).status == 200
    site.clock.now += HOLD_S
    assert (await site.ask("GET", "/me/accesses", token=one)).status == 429
    assert site.desk.log.size() == size + 2


async def test_accesses_refused_many_at_once_leave_one_log_entry(site: Site) -> None:
    """Asking again before the first refusal is told brings no more entries than asking after it."""
    token = await site.bound()
    for _ in range(100):
        await site.ask("GET", "/me/accesses", token=token)
    size = site.desk.log.size()
    answers = await asyncio.gather(
        *(site.ask("GET", "/me/accesses", token=token) for _ in range(30))
    )
    assert {answer.status for answer in answers} == {429}
    assert site.desk.log.size() == size + 1


async def test_bindings_are_listed_and_ended(each_site: Site) -> None:
    """A person sees where they are bound and ends a binding; its token is refused at once."""
    site = each_site
    one, two = await site.bound(), await site.bound()
    listed = await site.ask("GET", "/me/bindings", token=one)
    ids = [binding["binding"] for binding in listed.json["bindings"]]
    assert len(ids) == 2
    # Ids do not tell whose token is whose: the holder of *two* ends all, its own at the last.
    statuses = []
    for binding in ids:
        ended = await site.ask("DELETE", f"/me/bindings/{binding}", token=two)
        statuses.append(ended.status)
    assert statuses[0] == 204
    assert set(statuses) <= {204, 401}
    assert (await site.ask("GET", "/me/colour", token=two)).status == 401
    if statuses == [204, 204]:
        assert (await site.ask("GET", "/me/colour", token=one)).status == 401


async def test_database_that_fails_is_unavailable_and_no_failure_of_ours(each_site: Site) -> None:
    """503 and when to come again, on either database, whichever statement it was."""
    token = await each_site.bound()
    with writing(each_site.desk.engine) as connection:
        connection.exec_driver_sql("ALTER TABLE binding RENAME TO gone")
    for method, path in (("GET", "/me/bindings"), ("DELETE", "/me/bindings/" + "0" * 16)):
        answer = await each_site.ask(method, path, token=token)
        assert (answer.status, answer.problem) == (503, Problem.UNAVAILABLE)
        assert answer.headers["Retry-After"]


async def test_person_who_was_erased_elsewhere_is_bound_no_more(site: Site) -> None:
    """Also while this process still remembers the token."""
    token = await site.bound()
    subject = site.app[SESSIONS].look_up(token, now=NOW)
    elsewhere = Sessions(site.desk.engine, SECRETS.rows)
    _, enrolment = enrolment_over(site.desk, elsewhere, site.phones, site.clock)
    await asyncio.to_thread(enrolment.erase, subject)
    answer = await site.ask(
        "POST", "/me/codes", {"medium": "paper"}, token=token, headers={"Idempotency-Key": KEY}
    )
    assert (answer.status, answer.problem) == (401, Problem.NOT_BOUND)


async def test_binding_of_another_person_is_as_if_absent(site: Site) -> None:
    """Another one's binding and one that never was get one answer (C113)."""
    one = await site.bound()
    two = await site.bound({"name": "李强", "phone": "13900139000", "home": "610113"})
    listed = await site.ask("GET", "/me/bindings", token=two)
    theirs = listed.json["bindings"][0]["binding"]
    answers = [
        await site.ask("DELETE", f"/me/bindings/{binding}", token=one)
        for binding in (theirs, "0" * 16)
    ]
    assert {(a.status, a.body) for a in answers} == {(404, answers[0].body)}
    assert (await site.ask("GET", "/me/colour", token=two)).status == 200


async def test_risk_of_a_region_at_a_time(site: Site) -> None:
    """Any place, now or at a time; unknown places are refused; unchanged answers cost nothing."""
    authority = site.desk.writer.authority
    risks = authority.risks.with_change(COMPOUND, RiskLevel.MEDIUM, NOW, issued_at=NOW)
    site.desk.writer.authority = replace(authority, risks=risks)
    site.clock.now = NOW + 60
    now = await site.ask("GET", f"/regions/{COMPOUND}/risk")
    assert now.json["level"] == "medium"
    assert "青云小区" in now.json["zh"]
    before = await site.ask("GET", f"/regions/{COMPOUND}/risk?at=2020-12-12")
    assert before.json["level"] == "low"
    assert before.json["changes_at"] == "2020-12-13T12:00:00+08:00"
    again = await site.ask(
        "GET", f"/regions/{COMPOUND}/risk", headers={"If-None-Match": now.headers["ETag"]}
    )
    assert (again.status, again.body) == (304, b"")
    assert "public" in now.headers["Cache-Control"]
    unknown = await site.ask("GET", "/regions/999999/risk")
    assert (unknown.status, unknown.problem) == (422, Problem.UNKNOWN_PLACE)
    wrong = await site.ask("GET", "/regions/231081/risk?at=2020-W50")
    assert (wrong.status, wrong.problem) == (422, Problem.TIME_FORM)


async def test_check_gives_kind_and_reason_and_no_colour(site: Site) -> None:
    """Integrators learn what an ordinary venue learns."""
    token = await site.bound()
    headers = {"Idempotency-Key": KEY}
    made = await site.ask("POST", "/me/codes", {"medium": "paper"}, token=token, headers=headers)
    checked = await site.ask("POST", "/check", {"code": made.json["codes"][0]})
    assert checked.json == {"kind": "check-again", "reason": "no-status"}
    nonsense = await site.ask("POST", "/check", {"code": "https://example.com"})
    assert nonsense.json == {"kind": "not-a-code", "reason": "malformed"}


async def test_check_follows_the_published_lists(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A code is admitted once its list is published, and not any more once it is taken back."""
    monkeypatch.setattr("issuer.publication.publishedlists._LOOK_S", 0.0)
    publisher = Publisher(site.desk.writer, site.public, signer(Purpose.STATUS.value))
    token = await site.bound()
    headers = {"Idempotency-Key": KEY}
    made = await site.ask("POST", "/me/codes", {"medium": "paper"}, token=token, headers=headers)
    code = {"code": made.json["codes"][0]}
    publisher.publish_all(b"", now=site.clock.now)
    assert (await site.ask("POST", "/check", code)).json == {"kind": "admit", "reason": "admitted"}
    said = {"symptoms": [{"value": "fever", "since": "2020-12-13"}]}
    assert (await site.ask("POST", "/me/declarations", said, token=token)).status == 201
    site.clock.now += SPREAD_S
    publisher.publish_changed(now=site.clock.now)
    checked = await site.ask("POST", "/check", code)
    assert checked.json == {"kind": "check-again", "reason": "superseded"}
    for path in (site.public / "status").glob("*.cwt"):
        got = await site.ask("GET", f"/published/status/{path.name}")
        assert got.body == path.read_bytes()


async def test_check_of_a_code_of_a_city_that_ended_names_its_successor(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N6: integrators learn whose code to ask for instead."""
    monkeypatch.setattr("issuer.publication.publishedlists._LOOK_S", 0.0)
    writer = site.desk.writer
    issuers = (*writer.authority.trust.issuers, YANAN.listed())
    trust = replace(writer.authority.trust, issuers=issuers)
    writer.authority = replace(writer.authority, trust=trust)
    publisher = Publisher(writer, site.public, signer(Purpose.STATUS.value))
    publisher.publish_all(b"", now=site.clock.now)
    checked = await site.ask("POST", "/check", {"code": encode_text(paper_code(YANAN))})
    assert checked.json == {"kind": "check-again", "reason": "issuer-ended", "successor": "610000"}


async def test_published_files_and_nothing_else(site: Site) -> None:
    """Lists come with type and ETag; whatever else is in or near the folder is 404 (C102)."""
    (site.public / "status").mkdir()
    (site.public / "status" / "1000.cwt").write_bytes(b"list")
    (site.public / "trust-list.cbor").write_bytes(b"trust")
    (site.public / ".trust-list.cbor.new").write_bytes(b"draft")
    (site.public / "notes.txt").write_bytes(b"notes")
    (site.public.parent / "secret").write_bytes(b"secret")
    (site.public / "risk-table.cbor").symlink_to(site.public.parent / "secret")
    got = await site.ask("GET", "/published/status/1000.cwt")
    assert (got.status, got.body) == (200, b"list")
    assert got.headers["Content-Type"] == "application/statuslist+cwt"
    assert "max-age=60" in got.headers["Cache-Control"]
    etag = f'"{sha256(b"list").hexdigest()}"'
    assert got.headers["ETag"] == etag
    for held, status in {etag: 304, f'"x", W/{etag}': 304, "*": 304, '"x"': 200}.items():
        headers = {"If-None-Match": held}
        again = await site.ask("GET", "/published/status/1000.cwt", headers=headers)
        assert (again.status, again.headers["ETag"]) == (status, etag)
        assert again.body == (b"list" if status == 200 else b"")
    for path in (
        "/published/", "/published/..", "/published/../secret", "/published/%2e%2e%2fsecret",
        "/published/..%2fsecret", "/published/status/../../secret", "/published/%00",
        "/published/trust-list.cbor%00", "/published/trust-list.cbor/", "/published//etc/passwd",
        "/published/%2fetc%2fpasswd", "/published/status", "/published/.trust-list.cbor.new",
        "/published/notes.txt", "/published/risk-table.cbor", "/published/status/1001.cwt",
        "/published/status/%31000.cwt%20", "/published/TRUST-LIST.CBOR",
        "/published/status/" + "9" * 3000 + ".cwt", "/published/..%5csecret",
    ):  # fmt: skip
        answer = await site.ask("GET", path)
        assert (answer.status, answer.problem) == (404, Problem.NOT_FOUND), path


async def test_problems_lists_all_texts(site: Site) -> None:
    """What can be refused can be read beforehand, in both languages."""
    answer = await site.ask("GET", "/problems")
    assert set(answer.json["problems"]) == set(Problem)


async def test_head_is_get_without_body(site: Site) -> None:
    """HEAD on reads works as HTTP says."""
    got, head = await site.ask("GET", "/health"), await site.ask("HEAD", "/health")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


def test_vocabulary_of_declarations_is_that_of_evidence() -> None:
    """What the API offers to declare is what evidence knows."""
    schema = described()["components"]["schemas"]["SymptomSaid"]["properties"]["value"]
    assert set(schema["enum"]) == VOCABULARY[Kind.SYMPTOM].values
    survey = described()["components"]["schemas"]["Declaration"]["properties"]["survey"]
    assert set(survey["anyOf"][0]["enum"]) == VOCABULARY[Kind.SURVEY].values
    assert Kind.RESULT not in DECLARABLE
