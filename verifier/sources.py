"""Where a venue's lists come from: a folder, or a web server. Shell.

Lists prove themselves by their signatures, so a source is not trusted with anything but delivery:
it can be late or silent, and it can send too much. Everybody asks for the same files under the
same names, with the same headers, whoever was scanned; nothing that a server sends is ever sent
back to it, so neither a cookie nor an ETag can mark a venue.
"""

import http.client
import io
import os
import socket
import ssl
import stat
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from verifier.errors import SourceError, SourceMissingError, SourceTooLargeError, SourceTooSlowError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["DEADLINE_S", "PATIENCE_S", "FolderSource", "Source", "UrlSource", "open_source"]

#: From the first look-up of the name to the last byte of one file.
DEADLINE_S: Final = 10.0
#: For all files of one update together. What is not there by then comes with the next one.
PATIENCE_S: Final = 600.0

_CHUNK: Final = 64 * 1024
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Source(Protocol):
    """Something that holds published files by name, such as `status/12.cwt`."""

    name: str

    def fetch(self, path: str, *, max_bytes: int, held: str | None) -> bytes | None:
        """The file's bytes, or None where the source can tell that it is the one held.

        Args:
            path: Relative, with forward slashes. Made by us, never by a list.
            max_bytes: Not one byte more is kept.
            held: SHA-256 in hex of the copy held, if any.

        Raises:
            SourceError: It did not come, and why.
        """


def open_source(name: str) -> "Source":
    """A source by its name: a URL where there is `://` in it, otherwise a folder.

    Whether it is there is seen when a file is fetched: a stick may be plugged in later.

    Raises:
        SourceError: A URL that is not https (or http to this very machine).
    """
    return UrlSource(name) if "://" in name else FolderSource(name)


class _Job(threading.Thread, ABC):
    """One file being fetched. Afterwards `body` or `error` is set, or it is still alive.

    A thread, because what keeps a caller waiting may have no time-out of its own: the look-up of a
    name, a server that sends one byte of a header a second, a share whose server is gone.
    """

    def __init__(self, target: str) -> None:
        super().__init__(daemon=True)
        self.body: bytes | None = None
        self.error: SourceError | None = None
        self.target = target

    def run(self) -> None:
        try:
            self.body = self.get()
        except SourceError as error:
            self.error = error
        except TimeoutError as error:
            self.error = SourceTooSlowError(f"{self.target}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not "unchanged"
            self.error = SourceError(f"{self.target}: {type(error).__name__}: {error}")

    @abstractmethod
    def get(self) -> bytes | None:
        """The file's bytes, or None where it is the one held."""

    def abandon(self) -> None:
        """Called when its time is over."""
        return


class _Patience:
    """The time that one source has: for a file, and for all files of one update.

    After one file that did not come in time it is not asked again, nor when all files together
    took too long: a country has many lists.
    """

    __slots__ = ("_seconds_left", "deadline_s")

    def __init__(self, deadline_s: float, patience_s: float) -> None:
        self.deadline_s = deadline_s
        self._seconds_left = patience_s

    def wait_for(self, path: str, make_job: Callable[[], _Job]) -> bytes | None:
        """What the job gives.

        Raises:
            SourceError: It gave nothing in its time, and why.
        """
        if self._seconds_left <= 0:
            raise SourceTooSlowError(f"{path}: not asked for, the source was too slow before")
        start = time.monotonic()
        job = make_job()
        job.start()
        job.join(self.deadline_s)
        self._seconds_left -= time.monotonic() - start
        error = job.error
        if job.is_alive():
            job.abandon()
            error = SourceTooSlowError(f"{path}: not there after {self.deadline_s:g} s")
        if isinstance(error, SourceTooSlowError):
            # The job itself may notice first that its time is over, and just then.
            self._seconds_left = 0
        if error is not None:
            raise error
        return job.body


class FolderSource:
    """A folder: a memory stick, a share, or what `celadon publish` wrote."""

    __slots__ = ("_patience", "_root", "name")

    def __init__(
        self, name: str, *, deadline_s: float = DEADLINE_S, patience_s: float = PATIENCE_S
    ) -> None:
        self.name = name
        self._root = Path(name)
        self._patience = _Patience(deadline_s, patience_s)

    def fetch(self, path: str, *, max_bytes: int, held: str | None) -> bytes | None:  # noqa: ARG002 - a folder costs nothing
        return self._patience.wait_for(path, lambda: _Read(self._root, path, max_bytes))


class _Read(_Job):
    """One file of a folder."""

    def __init__(self, root: Path, path: str, max_bytes: int) -> None:
        super().__init__(str(root / path))
        self._root = root
        self._where = root / path
        self._max_bytes = max_bytes

    def get(self) -> bytes:
        where = self._where
        try:
            # A pipe or a device in a prepared folder would never end.
            descriptor = os.open(where, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise SourceMissingError(f"{where}: not a file")
                data = file.read(self._max_bytes + 1)
        except FileNotFoundError as error:
            if not self._root.is_dir():
                raise SourceMissingError(f"{self._root}: no such folder") from error
            raise SourceMissingError(f"{where}: no such file") from error
        except OSError as error:
            raise SourceError(f"{where}: {error.strerror or 'cannot be read'}") from error
        return _bounded(data, self._max_bytes, str(where))


class UrlSource:
    """A web server. One connection a file, no redirects, one deadline for all of it."""

    __slots__ = ("_host", "_path", "_patience", "_port", "_tls", "name")

    def __init__(
        self, name: str, *, deadline_s: float = DEADLINE_S, patience_s: float = PATIENCE_S
    ) -> None:
        self.name = name.rstrip("/")
        self._patience = _Patience(deadline_s, patience_s)
        try:
            parts = urlsplit(self.name)
            # Without a port, http.client would look for one behind the colons of an IPv6 address.
            self._port = parts.port or (443 if parts.scheme == "https" else 80)
            http.client.HTTPConnection(parts.hostname or "", self._port)  # refuses a blank; no call
        except (ValueError, http.client.InvalidURL) as error:
            raise SourceError(f"{name}: not a web address") from error
        self._tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._path = parts.path
        if parts.username is not None or parts.query or parts.fragment or not self._host:
            raise SourceError(
                f"{name}: a plain https address is needed, such as https://host/lists"
            )
        if not self._tls and not (parts.scheme == "http" and self._host in _LOOPBACK):
            raise SourceError(f"{name}: only https (http is for this very machine)")

    def fetch(self, path: str, *, max_bytes: int, held: str | None) -> bytes | None:
        """As `Source.fetch`. 304 answers an ETag that is the SHA-256 of the content in hex."""
        target = f"{self._path}/{path}"
        deadline_s = self._patience.deadline_s
        return self._patience.wait_for(
            path, lambda: _Fetch(self._connection(), target, max_bytes, held, deadline_s)
        )

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._patience.deadline_s, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._patience.deadline_s)


class _Until(io.RawIOBase):
    """Bytes of a socket until its time is over: where a flood never lets a read wait."""

    def __init__(self, raw: io.RawIOBase, end: float) -> None:
        super().__init__()
        self._raw = raw
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int | None:
        if time.monotonic() > self._end:
            raise TimeoutError("not there in time")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """One that stops reading at *end*, whatever part of it the server makes endless."""

    def __init__(self, sock: socket.socket, *, end: float, method: str | None = None) -> None:
        super().__init__(sock, method=method)
        self.fp = io.BufferedReader(_Until(self.fp.detach(), end))


class _Fetch(_Job):
    """One GET."""

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        target: str,
        max_bytes: int,
        held: str | None,
        deadline_s: float,
    ) -> None:
        super().__init__(target)
        self._connection = connection
        end = time.monotonic() + deadline_s
        self._connection.response_class = partial(_Response, end=end)  # type: ignore[assignment]
        self._socket: socket.socket | None = None
        self._max_bytes = max_bytes
        self._held = held

    def get(self) -> bytes | None:
        try:
            return self._get()
        finally:
            self._connection.close()

    def abandon(self) -> None:
        """Take the socket from under a fetch that has run out of time, so that its thread ends."""
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it has just ended by itself

    def _get(self) -> bytes | None:
        headers = {"User-Agent": "celadon-verify", "Accept": "*/*", "Connection": "close"}
        if self._held is not None:
            headers["If-None-Match"] = f'"{self._held}"'
        self._connection.connect()
        self._socket = self._connection.sock  # which the connection forgets once it has answered
        self._connection.request("GET", self.target, headers=headers)
        with self._connection.getresponse() as response:
            return self._body(response)

    def _body(self, response: http.client.HTTPResponse) -> bytes | None:
        match response.status:
            case 200:
                return self._read(response)
            case 304 if self._held is not None:
                return None
            case 404 | 410:
                raise SourceMissingError(f"{self.target}: the server has no such file")
            case 301 | 302 | 303 | 307 | 308:
                raise SourceError(f"{self.target}: the server points elsewhere; not followed")
            case status:
                raise SourceError(f"{self.target}: the server answers {status}")

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK):
            parts.append(chunk)
            size += len(chunk)
            if size > self._max_bytes:
                break
        if response.length and size <= self._max_bytes:
            raise SourceError(f"{self.target}: cut short on the way")
        return _bounded(b"".join(parts), self._max_bytes, self.target)


def _bounded(data: bytes, max_bytes: int, where: str) -> bytes:
    if len(data) > max_bytes:
        raise SourceTooLargeError(f"{where}: more than the {max_bytes} bytes that such a list has")
    return data
