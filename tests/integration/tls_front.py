"""A proxy that ends TLS in front of an issuer, and a bad line where a test wants one.

    python tests/integration/tls_front.py CERTIFICATES HOST PORT LINE

Forwards each connection on HOST:443 to 127.0.0.1:PORT. LINE is a file that is read for every
connection: {"latency_s": 5, "fates": ["", "request", "answer"], "twice": true}. Fates come in turn:
lose the request, or deliver it and lose the answer; *twice*: deliver every request two times.
"""

import asyncio
import itertools
import json
import ssl
import sys
from pathlib import Path

_COUNT = itertools.count()
_MAX_BYTES = 1 << 20


async def serve(certificates: Path, host: str, port: int, line: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _forward(reader, writer, port, _line(line))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the other side went away
        finally:
            writer.close()

    server = await asyncio.start_server(handle, host, 443, ssl=context)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


def _line(file: Path) -> dict[str, object]:
    held: dict[str, object] = json.loads(file.read_text())
    return held


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, line: dict[str, object]
) -> None:
    """One request and its answer; a connection carries no second one."""
    request = await _message(reader)
    fates = line.get("fates") or [""]
    assert isinstance(fates, list)
    fate = fates[next(_COUNT) % len(fates)]
    latency_s = line.get("latency_s", 0)
    assert isinstance(latency_s, int | float)
    await asyncio.sleep(latency_s)
    if fate == "request":
        return
    answer = await _ask(request, port)
    if line.get("twice"):
        answer = await _ask(request, port)
    if fate != "answer":
        writer.write(answer)
        await writer.drain()


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    sizes = [int(one.partition(b":")[2]) for one in lines if one.startswith(b"content-length:")]
    body = await reader.readexactly(sizes[0]) if sizes else b""
    kept = [one for one in head.split(b"\r\n") if not one.lower().startswith(b"connection:")]
    return b"\r\n".join([kept[0], b"Connection: close", *kept[1:]]) + body


async def _ask(request: bytes, port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    answer = await reader.read(_MAX_BYTES)
    while more := await reader.read(_MAX_BYTES):
        answer += more
    writer.close()
    return answer


if __name__ == "__main__":
    _, pem, address, backend, line_file = sys.argv
    asyncio.run(serve(Path(pem), address, int(backend), Path(line_file)))
