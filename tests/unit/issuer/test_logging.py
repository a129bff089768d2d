"""One JSON line per event, and no personal data in it, whatever is thrown in."""

import io
import json
import logging
import subprocess
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, Text, insert
from sqlalchemy.exc import IntegrityError

from audit.database import create_tables, open_engine
from issuer.logging import ALLOWED_KEYS, configure
from issuer.web.accesslog import Counts
from issuer.web.guard import guarded

CANARIES = ("王秀兰-canary", "WangXiulan@canary", "13812345678", "610104193612131234")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Both logging systems write here for one test."""
    level = logging.getLogger().level
    stream = io.StringIO()
    configure(stream)
    yield stream
    logging.getLogger().setLevel(level)
    unconfigure()


def unconfigure() -> None:
    """Leave pytest its own handlers."""
    root = logging.getLogger()
    root.handlers[:] = [h for h in root.handlers if type(h).__module__ != "issuer.logging"]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    text = stream.getvalue()
    assert text.isascii()
    assert not [c for c in text if unicodedata.category(c) == "Cc" and c != "\n"]
    return [json.loads(line) for line in text.splitlines()]


def assert_no_canary(text: str) -> None:
    for canary in CANARIES:
        assert canary not in text
        assert json.dumps(canary)[1:-1] not in text


def test_log_known_keys_with_plain_values_are_kept(stream: io.StringIO) -> None:
    """A line says what happened, how much, when and how grave."""
    structlog.get_logger().info("batch_published", count=3, region="610000", seconds=0.25)
    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "batch_published", "count": 3, "region": "610000", "seconds": 0.25,
        "level": "info",
    }  # fmt: skip


def test_log_unknown_key_is_dropped_and_counted(stream: io.StringIO) -> None:
    """A key that nobody allowed never appears, and the line says that something is missing."""
    structlog.get_logger().info("person_found", name=CANARIES[0], phone=CANARIES[2], count=1)
    (line,) = lines(stream)
    assert line["dropped"] == 2
    assert_no_canary(stream.getvalue())


@pytest.mark.parametrize(
    "value",
    [
        *CANARIES, 13812345678, 13812345678.0, b"bytes", ["list"], {"a": 1}, {1}, ...,
        float("nan"), float("inf"), "a b", "x" * 201, "\n",
    ],
    ids=ascii,
)  # fmt: skip
def test_log_value_that_could_name_somebody_is_dropped(stream: io.StringIO, value: object) -> None:
    """Under an allowed key, too, only short identifiers and small numbers pass."""
    structlog.get_logger().info("something_done", reason=value)
    (line,) = lines(stream)
    assert line["dropped"] == 1
    assert "reason" not in line


@pytest.mark.parametrize(
    "event",
    [
        f"Hello {CANARIES[0]}",
        "CamelCase",
        "",
        "two words",
        "x" * 61,
        "a\nb",
        "caf\u00e9",
        CANARIES[2],
    ],
    ids=ascii,
)
def test_log_event_name_that_is_no_constant_is_replaced(stream: io.StringIO, event: str) -> None:
    """An event name with values in it is a bug, and shows as one, without the values."""
    structlog.get_logger().info(event)
    (line,) = lines(stream)
    assert line["event"] == "malformed_event"


HOSTILE = st.text() | st.sampled_from(
    [
        "\n",
        "\r\n",
        "\x1b[2J",
        "\u202eabc",
        "\u2028",
        "\u2029",
        "\x85",
        "\x7f",
        "\x0b",
        '"}\n{"event":"x',
    ]
)


@given(
    event=HOSTILE, value=HOSTILE, key=st.sampled_from(sorted(ALLOWED_KEYS - {"event"})) | HOSTILE
)
def test_log_any_text_anywhere_is_one_json_line(event: str, value: str, key: str) -> None:
    """Newline, escape, direction and separator characters cannot make a second line (C121)."""
    stream = io.StringIO()
    try:
        configure(stream)
        structlog.get_logger().warning(event, **({key: value} if key != "event" else {}))
        logging.getLogger("library").warning(event, value)
    finally:
        unconfigure()
    assert stream.getvalue().endswith("\n")
    assert len(stream.getvalue().splitlines()) == len(lines(stream)) == 2


def test_log_library_message_names_the_place_and_not_the_text(stream: io.StringIO) -> None:
    """A library's own words may hold values, so only its logger and line of code are kept."""
    logging.getLogger("sqlalchemy.engine").warning("SELECT %s", CANARIES[0])
    (line,) = lines(stream)
    assert line["event"] == "library_message"
    assert line["logger"] == "sqlalchemy.engine"
    assert line["source"].startswith("test_logging:")
    assert_no_canary(stream.getvalue())


def test_log_library_with_broken_arguments_or_odd_level_stays_silent_about_them(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """The standard library prints what it fails to format; our handler never formats."""
    configure(stream)  # takes away the handler that pytest put in, which formats
    logging.getLogger("aiohttp.server").log(35, "%d %d", CANARIES[0])
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(CANARIES[1], UserWarning, stacklevel=1)
    assert [line["level"] for line in lines(stream)] == ["warning", "warning"]
    assert_no_canary(stream.getvalue() + "".join(capsys.readouterr()))


def test_log_debug_of_libraries_is_never_on(stream: io.StringIO) -> None:
    """Asking for our own debug lines does not open the libraries'."""
    configure(stream, level=logging.DEBUG)
    logging.getLogger("asyncio").debug("%s", CANARIES[0])
    structlog.get_logger().debug("step_done")
    assert [line["event"] for line in lines(stream)] == ["step_done"]


def raise_integrity_error(folder: Path) -> None:
    """A real unique violation with personal data in the row."""
    engine = open_engine(f"sqlite:///{folder}/canary.sqlite")
    people = Table("people", metadata := MetaData(), Column("name", Text, unique=True))
    create_tables(engine, metadata)
    try:
        with engine.begin() as connection:
            connection.execute(insert(people), [{"name": CANARIES[0]}, {"name": CANARIES[0]}])
    finally:
        engine.dispose()


def raise_key_error(_folder: Path) -> None:
    people: dict[str, int] = {}
    name = CANARIES[0]
    people[name] += 1


def raise_timeout(_folder: Path) -> None:
    phone = CANARIES[2]
    try:
        int(CANARIES[1])
    except ValueError as error:
        raise TimeoutError(f"no answer about {phone}") from error


FAILURES: dict[str, tuple[Callable[[Path], None], type[Exception]]] = {
    "integrity": (raise_integrity_error, IntegrityError),
    "key": (raise_key_error, KeyError),
    "timeout": (raise_timeout, TimeoutError),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_log_exception_has_type_and_place_and_no_text(
    stream: io.StringIO, tmp_path: Path, failure: str
) -> None:
    """An exception's words and locals carry what was handled; its type and place do not (C122)."""
    fail, expected = FAILURES[failure]
    try:
        fail(tmp_path)
    except expected:
        structlog.get_logger().exception("request_failed")
        logging.getLogger("aiohttp.server").exception("while handling %s", CANARIES[0])
    told = lines(stream)
    assert len(told) == 2
    for line in told:
        assert line["error"].endswith(expected.__name__)
        assert ":" in line["error_at"]
    assert_no_canary(stream.getvalue())


def test_log_exception_names_its_causes(stream: io.StringIO, tmp_path: Path) -> None:
    """What an operator needs to find the first failure is there."""
    try:
        raise_timeout(tmp_path)
    except TimeoutError:
        structlog.get_logger().exception("request_failed")
    (line,) = lines(stream)
    assert line["error"] == "builtins.TimeoutError"
    assert line["error_causes"] == "builtins.ValueError"
    assert "test_logging:" in line["error_at"]


async def test_access_log_of_failing_requests_holds_no_canary(
    stream: io.StringIO, tmp_path: Path
) -> None:
    """Path, query, headers, body and exception of a request reach neither log nor answer (C122)."""

    async def handle(request: web.Request) -> web.Response:
        fail, _ = FAILURES[request.match_info["failure"]]
        fail(tmp_path)
        raise AssertionError("unreachable")

    counts = Counts()
    app = web.Application()
    app.router.add_post("/fail/{failure}", guarded(handle, counts.of("POST", "/fail/{failure}")))
    server = TestServer(app)
    await server.start_server(access_log=None)
    answers = []
    async with TestClient(server) as client:
        methods = [("POST", f"/fail/{failure}") for failure in FAILURES]
        for method, path in [*methods, ("PURGE", "/fail/key"), ("POST", f"/no/{CANARIES[2]}")]:
            response = await client.request(
                method,
                path,
                params={"phone": CANARIES[2]},
                headers={"Referer": f"/{CANARIES[1]}", "User-Agent": CANARIES[1]},
                data=CANARIES[0],
            )
            answers.append(await response.text())
    counts.report()
    requests = [line for line in lines(stream) if line["event"] == "requests"]
    assert [(r["method"], r["route"], r["status"], r["count"]) for r in requests] == [
        ("POST", "/fail/{failure}", 500, 1), ("POST", "/fail/{failure}", 503, 2),
    ]  # fmt: skip
    assert {frozenset(r) for r in requests} == {
        frozenset({"event", "level", "time", "method", "route", "status", "count"})
    }
    assert len([line for line in lines(stream) if "error" in line]) == len(FAILURES)
    assert_no_canary(stream.getvalue())
    assert_no_canary("".join(answers))


@pytest.mark.parametrize(
    "program",
    [
        "raise KeyError(canary)",
        "import threading; t = threading.Thread(target=lambda: {}[canary]); t.start(); t.join()",
        "class D:\n    def __del__(self): raise ValueError(canary)\nD()",
    ],
    ids=["main", "thread", "destructor"],
)
def test_log_uncaught_exception_of_a_process_prints_no_canary(program: str) -> None:
    """What nobody catches ends as one line on stderr, not as Python's traceback."""
    start = "import sys; from issuer.logging import *; configure(sys.stderr); install_hooks()\n"
    done = subprocess.run(
        [sys.executable, "-c", start + f"canary = {CANARIES[0]!r}\n" + program],
        capture_output=True, text=True, check=False, timeout=60, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert line["event"] == "uncaught_error"
    assert_no_canary(done.stderr + done.stdout)
