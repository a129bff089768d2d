"""Bad requests get 4xx with a reason in both languages, never 500 (C97 to C102, C107, C108)."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from issuer.errors import InputError
from issuer.people.problems import TEXTS, Problem
from issuer.web import body as body_module
from issuer.web.body import MAX_BODY_BYTES, parse_object
from issuer.web.problems import STATUS, answer_to
from tests.web_support import GRANDSON, Site, serving

JSON = {"Content-Type": "application/json"}
WRITES = ["/register", "/bindings", "/bindings/confirm", "/check"]
BOUND_WRITES = ["/me/declarations", "/me/codes"]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path) as running:
        yield running


BAD_JSON = {
    "empty": (b"", Problem.EMPTY_BODY),
    "bad-utf8": (b'{"code":"\xff"}', Problem.NOT_UTF8),
    "utf8-surrogate": (b'{"code":"\xed\xa0\x80"}', Problem.NOT_UTF8),
    "overlong-utf8": (b'{"code":"\xc0\xaf"}', Problem.NOT_UTF8),
    "utf16": ('{"code":"x"}'.encode("utf-16-le"), Problem.NOT_JSON),
    "utf16-bom": ('{"code":"x"}'.encode("utf-16"), Problem.NOT_UTF8),
    "bom": (b'\xef\xbb\xbf{"code":"x"}', Problem.NOT_JSON),
    "not-json": (b"code=x", Problem.NOT_JSON),
    "cut-off": (b'{"code":"x"', Problem.NOT_JSON),
    "trailing": (b'{"code":"x"}{}', Problem.NOT_JSON),
    "trailing-comma": (b'{"code":"x",}', Problem.NOT_JSON),
    "comment": (b'{"code":"x"/**/}', Problem.NOT_JSON),
    "single-quotes": (b"{'code':'x'}", Problem.NOT_JSON),
    "control-in-string": (b'{"code":"\n"}', Problem.NOT_JSON),
    "nul-after": (b'{"code":"x"}\x00', Problem.NOT_JSON),
    "deep-array": (b'{"code":' + b"[" * 8000 + b"]" * 8000 + b"}", Problem.TOO_DEEP),
    "deep-object": (b'{"a":' * 2500 + b"1" + b"}" * 2500, Problem.TOO_DEEP),
    "deep-and-open": (b"[" * 16000, Problem.TOO_DEEP),
    "number-5000-digits": (b'{"code":' + b"9" * 5000 + b"}", Problem.BAD_NUMBER),
    "nan": (b'{"code":NaN}', Problem.BAD_NUMBER),
    "infinity": (b'{"code":Infinity}', Problem.BAD_NUMBER),
    "minus-infinity": (b'{"code":-Infinity}', Problem.BAD_NUMBER),
    "lone-surrogate": (b'{"code":"\\ud800"}', Problem.LONE_SURROGATE),
    "lone-low-surrogate": (b'{"code":"\\udc00x"}', Problem.LONE_SURROGATE),
    "surrogate-as-name": (b'{"\\ud800":"x"}', Problem.LONE_SURROGATE),
    "duplicate": (b'{"code":"x","code":"y"}', Problem.DUPLICATE_MEMBER),
    "duplicate-escaped": (b'{"code":"x","c\\u006fde":"y"}', Problem.DUPLICATE_MEMBER),
    "duplicate-inside": (b'{"code":{"a":1,"a":1}}', Problem.DUPLICATE_MEMBER),
    "array": (b"[]", Problem.NOT_AN_OBJECT),
    "string": (b'"x"', Problem.NOT_AN_OBJECT),
    "null": (b"null", Problem.NOT_AN_OBJECT),
    "number": (b"1", Problem.NOT_AN_OBJECT),
}
BAD_MEMBERS = {
    "unknown": ({"code": "x", "more": 1}, Problem.UNKNOWN_MEMBER, None),
    "unknown-only": ({"more": 1}, Problem.MISSING_MEMBER, "code"),
    "missing": ({}, Problem.MISSING_MEMBER, "code"),
    "number-for-text": ({"code": 1}, Problem.WRONG_VALUE, "code"),
    "null-for-text": ({"code": None}, Problem.WRONG_VALUE, "code"),
    "list-for-text": ({"code": ["x"]}, Problem.WRONG_VALUE, "code"),
    "object-for-text": ({"code": {"a": "b"}}, Problem.WRONG_VALUE, "code"),
    "bool-for-text": ({"code": True}, Problem.WRONG_VALUE, "code"),
    "big-int-for-text": ({"code": 10**4000}, Problem.WRONG_VALUE, "code"),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_parse_object_of_bad_json_names_the_reason(case: str) -> None:
    """Each defect has its own reason, and none of them escapes as another error."""
    data, problem = BAD_JSON[case]
    with pytest.raises(InputError) as caught:
        parse_object(data)
    assert caught.value.problem is problem


@pytest.mark.parametrize("path", WRITES)
async def test_bad_json_to_each_write_is_400(site: Site, path: str) -> None:
    """Every handler reads bodies in the one way (C97)."""
    for case, (data, problem) in BAD_JSON.items():
        answer = await site.ask("POST", path, data=data, headers=JSON)
        assert (answer.status, answer.problem) == (400, problem), case


async def test_bad_json_to_bound_writes_is_400(site: Site) -> None:
    """The same behind a binding."""
    token = await site.bound()
    for path in BOUND_WRITES:
        for case, (data, problem) in BAD_JSON.items():
            answer = await site.ask("POST", path, data=data, headers=JSON, token=token)
            assert (answer.status, answer.problem) == (400, problem), case


@pytest.mark.parametrize("case", BAD_MEMBERS)
async def test_bad_member_is_422_and_names_the_member(site: Site, case: str) -> None:
    """Unknown, missing and mistyped members are refused; names from outside are not repeated."""
    sent, problem, field = BAD_MEMBERS[case]
    answer = await site.ask("POST", "/check", sent)
    assert (answer.status, answer.problem) == (422, problem)
    assert answer.json.get("field") == field
    assert "more" not in answer.body.decode()


@pytest.mark.parametrize(
    "media",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=gbk",
        "application/json;charset=utf-8;charset=gbk",
        "application/json, text/plain",
        "text/json",
        "application/problem+json",
        "application/jsonp",
        "",
    ],
)
async def test_other_media_types_are_415(site: Site, media: str | None) -> None:
    """JSON is taken as application/json in UTF-8 and as nothing else: no cross-site form (C98)."""
    headers = {} if media is None else {"Content-Type": media}
    raw = b"".join(f"{k}: {v}\r\n".encode() for k, v in headers.items())
    status, answer = await raw_post(site, raw, b'{"code":"x"}')
    assert status == 415
    assert answer["type"].endswith(Problem.NOT_JSON_TYPE)


@pytest.mark.parametrize(
    "media",
    ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"],
)
async def test_json_media_type_is_accepted(site: Site, media: str) -> None:
    """The ways in which clients write it."""
    answer = await site.ask("POST", "/check", data=b'{"code":"x"}', headers={"Content-Type": media})
    assert answer.status == 200


async def test_two_content_types_are_415(site: Site) -> None:
    """Which of two is meant cannot be known."""
    raw = b"Content-Type: application/json\r\nContent-Type: text/plain\r\n"
    status, _ = await raw_post(site, raw, b'{"code":"x"}')
    assert status in {400, 415}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity", "zstd"])
async def test_encoded_body_is_415_and_never_opened(site: Site, coding: str) -> None:
    """A compressed bomb is refused by its header; nothing is decompressed (C99)."""
    zeros = bytes(50_000_000)
    bombs = {"gzip": gzip.compress(zeros), "deflate": zlib.compress(zeros)}
    data = bombs.get(coding, b'{"code":"x"}')
    answer = await site.ask(
        "POST", "/check", data=data, headers={**JSON, "Content-Encoding": coding}
    )
    assert (answer.status, answer.problem) == (415, Problem.ENCODED_BODY)


@pytest.mark.parametrize("coding", ["gzip, chunked", "deflate,chunked", "identity, chunked"])
async def test_body_with_another_transfer_coding_is_415(site: Site, coding: str) -> None:
    """What is packed on its way is refused by its header too, and not read as if it were plain."""
    status, answer = await raw_chunks(site, [b'{"code":"x"}'], coding=coding)
    assert (status, answer["type"].rpartition("#")[2]) == (415, Problem.ENCODED_BODY)


@pytest.mark.parametrize("coding", ["chunked", "Chunked"])
async def test_body_in_chunks_is_read(site: Site, coding: str) -> None:
    """In whichever case the coding is written."""
    status, _ = await raw_chunks(site, [b'{"code":', b'"x"}'], coding=coding)
    assert status == 200


async def test_body_over_the_limit_by_its_header_is_413(site: Site) -> None:
    """A declared size beyond the limit is refused before the body is read (C99)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(
        b"POST /api/v1/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000000000000\r\n\r\n"
    )
    status, answer = await read_answer(reader)
    assert (status, answer["type"].rpartition("#")[2]) == (413, Problem.BODY_TOO_LARGE)
    writer.close()


@pytest.mark.parametrize("size", [MAX_BODY_BYTES, MAX_BODY_BYTES + 1])
async def test_body_at_the_limit(site: Site, size: int) -> None:
    """The limit is exact, and the same with a length and in chunks."""
    data = json.dumps({"code": ""}).encode()
    data = data[:-2] + b"x" * (size - len(data)) + data[-2:]
    whole = await site.ask("POST", "/check", data=data, headers=JSON)
    chunked, _ = await raw_chunks(site, [data[i : i + 1000] for i in range(0, size, 1000)])
    assert whole.status == chunked == (200 if size == MAX_BODY_BYTES else 413)


async def test_flood_of_chunks_is_413(site: Site) -> None:
    """An endless body in one-byte chunks is cut at the limit (C99)."""
    status, answer = await raw_chunks(site, [b"x"] * (MAX_BODY_BYTES + 100))
    assert (status, answer["type"].rpartition("#")[2]) == (413, Problem.BODY_TOO_LARGE)


async def test_slow_body_is_408(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not end in time is given up, and the connection with it (C99)."""
    monkeypatch.setattr(body_module, "MAX_BODY_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(
        b"POST /api/v1/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b'Content-Length: 100\r\n\r\n{"code":'
    )
    status, answer = await read_answer(reader)
    assert (status, answer["type"].rpartition("#")[2]) == (408, Problem.BODY_TOO_SLOW)
    assert await reader.read() == b""
    writer.close()


async def test_body_that_breaks_off_harms_nobody(site: Site) -> None:
    """A client that goes away in the middle leaves the server well."""
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(
        b"POST /api/v1/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b'Content-Length: 100\r\n\r\n{"code":'
    )
    await writer.drain()
    writer.close()
    assert (await site.ask("GET", "/health")).status == 200


BROKEN = {
    "length-and-chunked": b"Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    "two-lengths": b"Host: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n",
    "negative-length": b"Host: x\r\nContent-Length: -3\r\n",
    "plus-length": b"Host: x\r\nContent-Length: +3\r\n",
    "two-hosts": b"Host: x\r\nHost: y\r\nContent-Length: 3\r\n",
    "no-host": b"Content-Length: 3\r\n",
    "space-before-colon": b"Host: x\r\nContent-Length : 3\r\n",
    "obsolete-folding": b"Host: x\r\nX-A: b\r\n c\r\nContent-Length: 3\r\n",
    "nul-in-header": b"Host: x\r\nX-A: b\x00c\r\nContent-Length: 3\r\n",
    "unknown-coding": b"Host: x\r\nTransfer-Encoding: gzip\r\n",
    "chunked-twice": b"Host: x\r\nTransfer-Encoding: chunked, chunked\r\n",
    "huge-header": b"Host: x\r\nX-A: " + b"a" * 20_000 + b"\r\nContent-Length: 3\r\n",
    "many-headers": b"Host: x\r\n" + b"X-A: b\r\n" * 500 + b"Content-Length: 3\r\n",
}


@pytest.mark.parametrize("case", BROKEN)
async def test_broken_request_is_400_in_the_same_form(site: Site, case: str) -> None:
    """What the parser refuses is answered like everything else, and repeats nothing (C100)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = b"POST /api/v1/check HTTP/1.1\r\nContent-Type: application/json\r\n"
    writer.write(head + BROKEN[case] + b"\r\n{}x")
    status, answer = await read_answer(reader)
    assert status == 400
    assert answer["type"].rpartition("#")[2] in {Problem.BAD_REQUEST, Problem.NOT_JSON}
    writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"POST /api/v1/check HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}",
        b"GET /api/v1/health HTTP/1.1\r\nHost: x\n\r\n",
        b"GET /api/v1/health HTTP/1.1\rHost: x\r\r",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /api/v1/health HTTP/9.9\r\nHost: x\r\n\r\n",
        b"G@T /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_bare_line_feeds_and_noise_are_400(site: Site, data: bytes) -> None:
    """Bare line feeds, TLS to the wrong port and other noise are refused (C100)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(data)
    status, answer = await read_answer(reader)
    assert status == 400
    assert answer["type"].endswith(Problem.BAD_REQUEST)
    writer.close()


@pytest.mark.parametrize(
    ("head", "status", "problem"),
    [
        (b"OPTIONS * HTTP/1.1", 404, Problem.NOT_FOUND),
        (b"CONNECT secret.example:443 HTTP/1.1", 404, Problem.NOT_FOUND),
        (b"GET /api/v1/published/secret%0a HTTP/1.1", 404, Problem.NOT_FOUND),
        (b"POST /api/v1/check HTTP/1.1\r\nExpect: secret", 400, Problem.BAD_REQUEST),
        (b"POST /nothing HTTP/1.1\r\nExpect: secret", 400, Problem.BAD_REQUEST),
    ],
)
async def test_what_reaches_no_route_is_refused_in_the_same_form(
    site: Site, head: bytes, status: int, problem: Problem
) -> None:
    """Also what aiohttp itself would answer, in plain text that repeats the request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(head + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    told, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nCache-Control: no-store\r\n" in told
    assert json.loads(body)["type"].endswith(f"#{problem}")
    assert b"secret" not in body
    writer.close()


async def test_rest_of_a_refused_body_is_not_the_next_request(site: Site) -> None:
    """What follows a refused body on the connection is not answered as a request of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    hidden = b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n"
    writer.write(
        b"POST /api/v1/check HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 1000\r\n\r\n" + hidden
    )
    everything = await reader.read()
    assert everything.count(b"HTTP/1.1 ") == 1
    assert b"415" in everything.split(b"\r\n")[0]
    writer.close()


@pytest.mark.parametrize(
    "query",
    ["?at=2020-12-13&at=2020-12-14", "?when=1", "?at=1&limit=1000000000", "?at=" + "1" * 41],
)
async def test_doubled_or_unknown_query_is_refused(site: Site, query: str) -> None:
    """A query name stands once and is known; there is no limit, sort or filter (C101, C119)."""
    answer = await site.ask("GET", f"/regions/231081/risk{query}")
    assert (answer.status, answer.problem) == (400, Problem.BAD_QUERY)


@pytest.mark.parametrize("path", ["/health?x=1", "/me/colour?subject=1", "/problems?a"])
async def test_query_where_there_is_none_is_refused(site: Site, path: str) -> None:
    """Routes without a query take none."""
    token = await site.bound()
    answer = await site.ask("GET", path, token=token)
    assert (answer.status, answer.problem) == (400, Problem.BAD_QUERY)


async def test_body_where_there_is_none_is_refused(site: Site) -> None:
    """A GET with a body is refused: proxies disagree about it."""
    answer = await site.ask("GET", "/health", data=b"x")
    assert (answer.status, answer.problem) == (400, Problem.BODY_NOT_EXPECTED)


@pytest.mark.parametrize("path", [*WRITES, *BOUND_WRITES])
async def test_other_methods_on_writes_are_405(site: Site, path: str) -> None:
    """A write is a POST and nothing else (C108)."""
    for method in ("HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "GET", "TRACE"):
        answer = await site.ask(method, path)
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"
        if method != "HEAD":
            assert answer.problem == Problem.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
async def test_method_override_is_405(site: Site, header: str) -> None:
    """A header does not turn one method into another (C108)."""
    answer = await site.ask("POST", "/check", {"code": "x"}, headers={header: "DELETE"})
    assert (answer.status, answer.problem) == (405, Problem.METHOD_OVERRIDE)


async def test_forged_forwarding_headers_change_nothing(site: Site) -> None:
    """X-Forwarded-* and the like from outside are not looked at (C107)."""
    forged = {
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "for=10.0.0.1;host=evil.example",
        "X-Real-IP": "10.0.0.1",
        "X-Original-URL": "/api/v1/me/colour",
        "X-Rewrite-URL": "/api/v1/me/colour",
    }
    plain = await site.ask("POST", "/check", {"code": "x"})
    answer = await site.ask("POST", "/check", {"code": "x"}, headers=forged)
    assert (answer.status, answer.body) == (plain.status, plain.body)
    assert "evil" not in str(dict(answer.headers))


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/",
        "//",
        "/register/",
        "/REGISTER",
        "/me/colour/x",
        "/me",
        "/%00",
        "/" + "a" * 4000,
    ],
)
async def test_unknown_path_is_404_in_the_same_form(site: Site, path: str) -> None:
    """What is not a route is not found, said in both languages."""
    answer = await site.ask("GET", path)
    assert (answer.status, answer.problem) == (404, Problem.NOT_FOUND)


def test_every_problem_has_texts_and_a_status() -> None:
    """No refusal without a text in Chinese and English, and a status of the 4xx or 5xx class."""
    assert set(TEXTS) == set(Problem)
    assert set(STATUS) <= set(Problem)
    for problem in Problem:
        text = TEXTS[problem]
        assert text.en.isascii()
        assert not text.zh.isascii()
        assert 400 <= answer_to(problem).status < 600


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and JSON body of the next answer; fails unless it is a problem."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, headers = head.partition("\r\n")[::2]
    fields = dict(line.split(": ", 1) for line in headers.strip().split("\r\n"))
    assert fields["Content-Type"] in {"application/problem+json", "application/json"}
    body = await reader.readexactly(int(fields["Content-Length"]))
    return int(status.split(" ")[1]), json.loads(body)


async def raw_post(site: Site, headers: bytes, body: bytes) -> tuple[int, dict[str, str]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    length = f"Content-Length: {len(body)}\r\n\r\n".encode()
    writer.write(b"POST /api/v1/check HTTP/1.1\r\nHost: x\r\n" + headers + length + body)
    answer = await read_answer(reader)
    writer.close()
    return answer


async def raw_chunks(
    site: Site, chunks: list[bytes], *, coding: str = "chunked"
) -> tuple[int, dict[str, str]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(
        b"POST /api/v1/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: "
        + coding.encode()
        + b"\r\n\r\n"
        + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
        + b"0\r\n\r\n"
    )
    answer = await read_answer(reader)
    writer.close()
    return answer


async def test_one_hundred_thousand_deep_is_refused(site: Site) -> None:
    """Nesting of any depth is refused: beyond the body's limit by size, below it by depth."""
    answer = await site.ask("POST", "/register", data=b"[" * 100_000, headers=JSON)
    assert answer.status == 413
    assert (await site.ask("POST", "/register", dict(GRANDSON))).status == 202
