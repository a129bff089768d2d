"""A web server as a source, a real one on this machine: caps, deadlines, redirects (C77, C80)."""

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from tests.code_support import NOW, World
from tests.venue_support import Run, published, roots_of, venue
from verifier.errors import (
    SourceError,
    SourceMissingError,
    SourceTooLargeError,
    SourceTooSlowError,
)
from verifier.sources import UrlSource
from verifier.update import set_up

Answer = Callable[[socket.socket, bytes], None]


@dataclass
class Server:
    """Answers each connection by *answer*, in a thread each, and keeps what it was asked."""

    answer: Answer
    requests: list[bytes] = field(default_factory=list)
    port: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/lists"

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            request = b""
            while b"\r\n\r\n" not in request and (part := connection.recv(4096)):
                request += part
            self.requests.append(request)
            try:
                self.answer(connection, request)
            except OSError:
                self.ended.set()  # the client has gone


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(answer, port=listener.getsockname()[1])
        thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def reply(body: bytes, status: str = "200 OK", extra: str = "") -> Answer:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode()

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head + body)

    return answer


def fetch(
    url: str, *, max_bytes: int = 1000, deadline_s: float = 5, held: str | None = None
) -> bytes | None:
    source = UrlSource(url, deadline_s=deadline_s)
    return source.fetch("status/1.cwt", max_bytes=max_bytes, held=held)


def test_fetch_gives_the_body() -> None:
    """What the server publishes is what arrives."""
    with serving(reply(b"list")) as server:
        assert fetch(server.url) == b"list"


def test_fetch_sends_nothing_that_tells_venues_apart() -> None:
    """Two venues ask for a file with the same bytes, and give back nothing they were sent."""
    cookie = (
        'Set-Cookie: venue=7\r\nETag: "venue-7"\r\nLast-Modified: Mon, 23 Nov 2020 00:00:00 GMT\r\n'
    )
    with serving(reply(b"list", extra=cookie)) as server:
        source = UrlSource(server.url)
        for _ in range(2):
            source.fetch("status/1.cwt", max_bytes=9, held=None)
        UrlSource(server.url).fetch("status/1.cwt", max_bytes=9, held=None)
    assert len(server.requests) == 3
    assert len(set(server.requests)) == 1
    assert b"venue" not in server.requests[0]
    assert b"Python" not in server.requests[0]


def test_fetch_of_what_is_held_costs_no_body() -> None:
    """A server that names files by their SHA-256 can answer 304; the name is made from content."""
    digest = sha256(b"list").hexdigest()
    with serving(reply(b"", "304 Not Modified")) as server:
        assert fetch(server.url, held=digest) is None
    assert f'If-None-Match: "{digest}"'.encode() in server.requests[0]


def test_fetch_answered_304_without_asking_is_refused() -> None:
    """A server cannot make a venue believe that it holds what it does not."""
    with serving(reply(b"", "304 Not Modified")) as server, pytest.raises(SourceError):
        fetch(server.url)


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_fetch_of_a_missing_file_says_so(status: str) -> None:
    """A file that is not there is told from a server that is not there."""
    with serving(reply(b"", status)) as server, pytest.raises(SourceMissingError):
        fetch(server.url)


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
def test_fetch_with_a_redirect_goes_nowhere(status: str) -> None:
    """C80: a redirect, to wherever, is not followed: one request, and an error."""
    answer = reply(b"", status, "Location: http://127.0.0.1:1/other\r\n")
    with serving(answer) as server, pytest.raises(SourceError, match="elsewhere"):
        fetch(server.url)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", ["500 x", "403 x", "206 x", "100 x", "999 x", "abc"])
def test_fetch_with_another_answer_is_an_error(status: str) -> None:
    """Whatever else a server answers is an error, and no body of it is used."""
    with serving(reply(b"list", status)) as server, pytest.raises(SourceError):
        fetch(server.url, deadline_s=0.5)


def test_fetch_of_a_body_declared_too_large_is_cut() -> None:
    """C77: of 500 MB no more than the cap is read."""

    def endless(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 524288000\r\n\r\n")
        while True:
            connection.sendall(bytes(65536))

    with serving(endless) as server, pytest.raises(SourceTooLargeError):
        fetch(server.url)
    assert server.ended.wait(5)


@pytest.mark.parametrize("chunked", [True, False])
def test_fetch_of_a_body_without_an_end_is_cut(chunked: bool) -> None:  # noqa: FBT001 - a case
    """C77: a body that never ends stops at the cap, whichever way it is sent."""

    def endless(connection: socket.socket, _: bytes) -> None:
        head = "Transfer-Encoding: chunked\r\n" if chunked else ""
        connection.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
        while True:
            connection.sendall(b"400\r\n" + bytes(1024) + b"\r\n" if chunked else bytes(1024))

    with serving(endless) as server, pytest.raises(SourceTooLargeError):
        fetch(server.url, max_bytes=10_000)
    assert server.ended.wait(5)


def flood(before: bytes, part: bytes) -> Answer:
    """As much as the client takes, as fast as it takes it."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(before)
        while True:
            connection.sendall(part)

    return answer


FLOODS = {
    "headers": flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 999),
    "one header": flood(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65536),
    "status line": flood(b"HTTP/1.1 200 ", b"O" * 65536),
    "continuations": flood(b"", b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 99),
    "chunk's size": flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 65536),
    "chunk's extension": flood(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=", b"y" * 65536
    ),
    "small chunks": flood(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 999
    ),
    "trailers": flood(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 999
    ),
    "length and chunks": flood(
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"400\r\n" + bytes(1024) + b"\r\n",
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_fetch_of_a_flood_ends_within_its_limits(name: str) -> None:
    """C77: wherever a server pours it out, it is cut: at a limit, or at the deadline at the latest.

    Nothing of it is kept: the most memory that a fetch ever takes is that of a file and a line.
    """
    with serving(FLOODS[name]) as server:
        tracemalloc.start()
        start = time.monotonic()
        with pytest.raises(SourceError):
            fetch(server.url, max_bytes=10_000, deadline_s=1)
        assert time.monotonic() - start < 4
        assert server.ended.wait(5)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2**21


@pytest.mark.parametrize("where", ["http", "another host", "itself", "a loop", "a file"])
def test_fetch_with_a_redirect_asks_nobody_else(where: str) -> None:
    """C80: to http, to another host, to itself or in a loop: one request, and nowhere else one."""
    with serving(reply(b"list")) as other:
        target = {
            "http": f"http://127.0.0.1:{other.port}/lists/status/1.cwt",
            "another host": f"//127.0.0.1:{other.port}/lists/status/1.cwt",
            "itself": "/lists/status/1.cwt",
            "a loop": "/lists/status/2.cwt",
            "a file": "file:///etc/hostname",
        }[where]
        with serving(reply(b"", "302 x", f"Location: {target}\r\n")) as server:
            source = UrlSource(server.url)
            for name in ("status/1.cwt", "status/2.cwt"):
                with pytest.raises(SourceError, match="elsewhere"):
                    source.fetch(name, max_bytes=99, held=None)
        assert len(server.requests) == 2
        assert other.requests == []


def test_fetch_from_a_server_that_is_never_quite_too_slow_ends_all_the_same() -> None:
    """C77: each file within its deadline, all together beyond patience: it is asked no more."""

    def late(connection: socket.socket, request: bytes) -> None:
        time.sleep(0.1)
        reply(b"list")(connection, request)

    with serving(late) as server:
        source = UrlSource(server.url, deadline_s=5, patience_s=0.25)
        assert source.fetch("status/1.cwt", max_bytes=99, held=None) == b"list"
        for _ in range(2):
            with suppress(SourceTooSlowError):
                source.fetch("status/1.cwt", max_bytes=99, held=None)
        asked = len(server.requests)
        with pytest.raises(SourceTooSlowError, match="not asked for"):
            source.fetch("status/1.cwt", max_bytes=99, held=None)
        assert len(server.requests) == asked


def drip(before: bytes, drop: bytes) -> Answer:
    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(before)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return answer


SLOW = {
    "body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"),
    "header": drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "status": drip(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("name", SLOW)
def test_fetch_from_a_slow_server_ends_at_the_deadline(name: str) -> None:
    """C77: one deadline for all of a file; a byte now and then does not extend it."""
    with serving(SLOW[name]) as server:
        start = time.monotonic()
        with pytest.raises(SourceError) as caught:
            fetch(server.url, deadline_s=0.5)
        assert time.monotonic() - start < 2
        assert isinstance(caught.value, SourceTooSlowError) or name in ("headers", "status")
        assert server.ended.wait(5)


@pytest.mark.parametrize("first", ["the caller", "the fetch"])
def test_fetch_after_a_deadline_does_not_ask_again(
    monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """A country's worth of files does not take a country's worth of deadlines, whoever notices."""
    if first == "the fetch":
        join = threading.Thread.join
        monkeypatch.setattr("verifier.sources._Fetch.join", lambda thread, _: join(thread))
    with serving(SLOW["body"]) as server:
        source = UrlSource(server.url, deadline_s=0.5)
        for _ in range(20):
            with pytest.raises(SourceTooSlowError):
                source.fetch("status/1.cwt", max_bytes=1000, held=None)
        assert server.ended.wait(5)  # a busy machine may not have come to the request before
    assert len(server.requests) == 1


def test_fetch_that_fails_unforeseen_is_an_error_and_not_unchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No answer is never taken for "you hold it already", whatever went wrong in the thread."""

    def broken(*_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("http.client.HTTPConnection.getresponse", broken)
    with serving(reply(b"list")) as server, pytest.raises(SourceError, match="unforeseen"):
        fetch(server.url, held=sha256(b"list").hexdigest())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nlist",
        b"\x00" * 99,
    ],
    ids=["nothing", "ssh", "cut short", "zeros"],
)
def test_fetch_of_something_else_is_an_error(answer: bytes) -> None:
    """A server that speaks something else, or hangs up early, is an error with a message."""
    speak: Answer = lambda connection, _: connection.sendall(answer)  # noqa: E731
    with serving(speak) as server, pytest.raises(SourceError, match="/status/1"):
        fetch(server.url)


def test_fetch_from_nobody_is_an_error() -> None:
    """A server that is down is an error with a message."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceError, match="refused"):
        fetch(f"http://127.0.0.1:{port}")


def test_update_from_a_server_takes_all_lists_and_asks_for_the_same_files(tmp_path: Path) -> None:
    """A venue fetches every list, in one order, whoever was ever scanned there."""
    files = published(World())

    def answer(connection: socket.socket, request: bytes) -> None:
        name = request.split()[1].decode().removeprefix("/lists/")
        body = files.get(name)
        reply(body or b"", "200 OK" if body is not None else "404 x")(connection, request)

    asked = []
    for name in ("a", "b"):
        with serving(answer) as server:
            set_up(str(tmp_path / name), roots_of(World()), [server.url])
            result = Run(tmp_path / name, NOW)("update")
        assert (result.status, result.lines) == (
            0, ["trust list 7; up to date: 2 of 2 regions; files changed: 6"],
        )  # fmt: skip
        asked.append([request.split()[1] for request in server.requests])
    assert asked[0] == asked[1]
    assert len(asked[0]) == 7


def test_update_shows_nothing_that_a_server_sends_to_act_on_a_terminal(tmp_path: Path) -> None:
    """A hostile server's words about a failure neither move the cursor nor hide a line."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"\x1b[2J\x1b[Hup to date: 34 of 34 regions\x9b8m\r\n\r\n")

    command = venue(tmp_path, World())
    with serving(answer) as server:
        result = command("update", server.url)
    assert result.status == 3
    assert "not fetched" in result.out
    assert all(line.isprintable() for line in result.lines)
