"""A web server on loopback that gives doors what its owner wants, or never stops giving. Shell."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

__all__ = ["Host", "hosting"]

_CHUNK: Final = bytes(64 * 1024)


class Host:
    """What is served.

    Attributes:
        url: Of the server.
        folder: Whose files it gives. None: every file is endless.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.folder: Path | None = None


@contextmanager
def hosting() -> Iterator[Host]:
    """Serve until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.host = Host(server.server_address[1])  # type: ignore[attr-defined] # for the handler
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.host  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        host: Host = self.server.host  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError):  # the door has heard enough
            if host.folder is None:
                self._never_end()
            else:
                self._give(host.folder / self.path.lstrip("/"))

    def _give(self, path: Path) -> None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _never_end(self) -> None:
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(_CHUNK)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called
        """The drill tells what matters."""
