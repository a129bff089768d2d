"""CPU that a server spends on a request, beside a bare aiohttp echo; two processes beside one.

The load comes from `wrk` (Debian's package), which takes a tenth of what the servers take. CPU is
user and system time of the server's process, so what the load costs is not in it.

The target for minting presumes that no code is checked before it is released. Here each one is:
what would be left if all but the echo, one signature and its check were free is printed beside it.
"""

import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from keys import ed25519
from keys.lifecycle import Purpose
from tests.bench.harness import Row, at_least, interleaved, stated
from tests.issuing_support import signer

ROUNDS = 5
SECONDS = 2
CONNECTIONS = 64
#: Who ask for codes in turn: each of them some dozen times.
PEOPLE = 1024
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")

_CHECK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"code":"%(code)s"}'
"""
_MINT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local tokens = {%(tokens)s}
local number = 0
request = function()
  number = number + 1
  wrk.headers["Authorization"] = "Bearer " .. tokens[number %% #tokens + 1]
  wrk.headers["Idempotency-Key"] = string.format("bench-%(run)s-%%012d", number)
  return wrk.format(nil, nil, nil, '{"medium":"paper"}')
end
"""


@dataclass(frozen=True)
class Server:
    pid: int
    port: int
    told: dict[str, str]

    def cpu_s(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK_S


@dataclass(frozen=True)
class Load:
    requests: int
    wall_s: float
    cpu_s: float

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.requests * 1e6

    @property
    def per_s(self) -> float:
        return self.requests / self.wall_s


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port


@contextmanager
def _server(kind: str, folder: Path, port: int, people: int = 1) -> Iterator[Server]:
    arguments = (kind, str(folder), str(port), str(people))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.http_server", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        line = process.stdout.readline() if process.stdout else ""
        try:
            yield Server(process.pid, port, json.loads(line))
        finally:
            process.communicate()


def _load(servers: list[Server], path: str, script: str, folder: Path) -> Load:
    lua = folder / "load.lua"
    lua.write_text(script % {**servers[0].told, "run": time.monotonic_ns()})
    url = f"http://127.0.0.1:{servers[0].port}{path}"
    before = sum(server.cpu_s() for server in servers)
    start = time.perf_counter()
    out = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(lua), url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wall_s = time.perf_counter() - start
    found = re.search(r"(\d+) requests in", out)
    if found is None or "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(f"{path}: not every request was answered\n{out}")
    return Load(int(found[1]), wall_s, sum(server.cpu_s() for server in servers) - before)


def _cpu_us(loads: list[Load]) -> float:
    return statistics.median(load.cpu_us for load in loads)


def _per_s(loads: list[Load]) -> float:
    return statistics.median(load.per_s for load in loads)


def _sign_and_verify_us() -> float:
    """What libsodium alone needs for a code and the check of it."""
    key, message = signer(Purpose.CODE.value), bytes(45)
    signature = key.sign(message)
    medians = interleaved(
        {
            "sign": lambda: key.sign(message),
            "verify": lambda: ed25519.verify(signature, message, key.public_key),
        }
    )
    return sum(medians.values()) * 1e6


def run() -> Iterable[Row]:
    if shutil.which("wrk") is None:
        raise SystemExit("no load generator here: install Debian's package `wrk`")
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        echo = stack.enter_context(_server("echo", folder, _free_port()))
        one = stack.enter_context(_server("celadon", folder, _free_port(), PEOPLE))
        echoes: list[Load] = []
        checks: list[Load] = []
        mints: list[Load] = []
        for _ in range(ROUNDS):
            body = _CHECK % one.told
            echoes.append(_load([echo], "/echo", body.replace("%", "%%"), folder))
            checks.append(_load([one], "/api/v1/check", _CHECK, folder))
            mints.append(_load([one], "/api/v1/me/codes", _MINT, folder))
        bare = _cpu_us(echoes)
        yield stated("bare aiohttp POST echo, CPU per request", bare, "us")
        yield stated("check, CPU per request", _cpu_us(checks), "us")
        yield at_least("check: echo's CPU / ours", bare / _cpu_us(checks), 0.33)
        yield stated("mint with durable log, CPU per request", _cpu_us(mints), "us")
        yield at_least(
            "mint, with self-check: echo's CPU / ours",
            bare / _cpu_us(mints),
            0.40,
        )
        least = bare + _sign_and_verify_us()
        yield stated("mint: the most that a self-check leaves", bare / least, "x")
        yield stated("mint with durable log, 64 clients", _per_s(mints), "1/s")
    yield from _two_processes()


def _two_processes() -> Iterable[Row]:
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        single = stack.enter_context(_server("celadon", folder, _free_port()))
        port = _free_port()
        pair = [stack.enter_context(_server("celadon", folder, port)) for _ in range(2)]
        ones, twos = [], []
        for _ in range(ROUNDS):
            ones.append(_load([single], "/api/v1/check", _CHECK, folder))
            twos.append(_load(pair, "/api/v1/check", _CHECK, folder))
        ratio = _per_s(twos) / _per_s(ones)
        yield at_least("check: two processes / one", ratio, 1.65)
