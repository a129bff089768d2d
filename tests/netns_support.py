"""Two issuers and a venue in three network namespaces, with real programs in each.

        heilongjiang 10.77.0.1 ---- 10.77.0.2 shaanxi
                    \\               /
                     10.77.0.3 venue

Each host has one address on its own loopback, reached over links of two ends each. The issuers
listen on loopback, behind a proxy that ends TLS with certificates of an authority made here.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

from issuer.people.outbox import LocalOutbox
from tests.installation_support import hand_out, listed, settings_below

__all__ = ["Host", "Issuer", "Network", "three_hosts"]

DAY_S: Final = 86_400
PORT: Final = 8080
ROOT: Final = Path(__file__).parents[1]
#: A request from inside a namespace: method, path, token and body as JSON on standard input.
_ASK: Final = """
import json, secrets, sys, urllib.request, urllib.error
method, path, token, body = json.load(sys.stdin)
headers = {} if token is None else {"Authorization": "Bearer " + token}
if body is not None:
    headers["Content-Type"] = "application/json"
if path == "/me/codes":
    headers["Idempotency-Key"] = secrets.token_hex(16)
data = None if body is None else json.dumps(body).encode()
url = "http://127.0.0.1:8080/api/v1" + path
try:
    asked = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(asked) as answer:
        print(answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.read().decode())
    sys.exit(1)
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@dataclass(frozen=True)
class Host:
    """A network namespace with one address."""

    name: str
    address: str
    folder: Path
    environ: Mapping[str, str]

    def command(self, *arguments: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *arguments]

    def run(self, *arguments: str, text: str | None = None, codes: tuple[int, ...] = (0,)) -> str:
        """What a program prints; fails unless it exits with one of *codes*."""
        done = subprocess.run(
            self.command(*arguments), env=dict(self.environ), input=text, cwd=ROOT,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in codes, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def python(
        self, *arguments: str, text: str | None = None, codes: tuple[int, ...] = (0,)
    ) -> str:
        return self.run(sys.executable, *arguments, text=text, codes=codes)


@dataclass(frozen=True)
class Issuer(Host):
    """An issuer's host. *line* is read by its front for every connection."""

    region: str = ""
    line: Path = Path()

    def celadon(self, *arguments: str, text: str | None = None) -> str:
        return self.python("-m", "issuer.cli", *arguments, text=text)

    def set_line(self, **line: object) -> None:
        """How connections to this host fare from now on."""
        self.line.with_suffix(".new").write_text(json.dumps(line))
        self.line.with_suffix(".new").replace(self.line)

    def ask(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:  # noqa: ANN401 # JSON
        asked = json.dumps([method, path, token, body])
        return json.loads(self.python("-c", _ASK, text=asked))

    def bound(self, name: str, phone: str) -> str:
        """Register and bind; the token."""
        person = {"name": name, "phone": phone}
        self.ask("POST", "/register", {**person, "home": "610102"})
        request = self.ask("POST", "/bindings", person)["request"]
        texts = [message.text.en for message in LocalOutbox(self.folder / "outbox").messages()]
        (code,) = re.findall(r"code is ([0-9]{6})", " ".join(texts))[-1:]
        confirmed = self.ask("POST", "/bindings/confirm", {"request": request, "code": code})
        return str(confirmed["token"])


@dataclass(frozen=True)
class Network:
    """All of it."""

    there: Issuer
    here: Issuer
    venue: Host
    roots: Path

    def cut(self) -> None:
        """The line between the issuers."""
        ip("-n", self.there.name, "link", "set", "to-here", "down")

    def mend(self) -> None:
        ip("-n", self.there.name, "link", "set", "to-here", "up")
        ip("-n", self.there.name, "route", "replace", f"{self.here.address}/32", "dev", "to-here")


def until(what: str, limit_s: float, done: Any) -> None:  # noqa: ANN401 # a function of nothing
    """Ask again until it is so: these are other processes."""
    end = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end, f"not in {limit_s} s: {what}"
        time.sleep(0.5)


@contextmanager
def three_hosts(folder: Path) -> Iterator[Network]:
    """Everything up and serving; gone again when the block ends, however it ends."""
    mark = f"cel{os.getpid()}"
    with ExitStack() as stack:
        certificates = _certificates(folder)
        environ = {**os.environ, "SSL_CERT_FILE": str(folder / "ca.pem"), "PYTHONPATH": str(ROOT)}
        there = _issuer(folder, f"{mark}t", "10.77.0.1", "230000", environ)
        here = _issuer(folder, f"{mark}h", "10.77.0.2", "610000", environ)
        venue = Host(f"{mark}v", "10.77.0.3", folder / "venue", {
            **environ, "CELADON_VERIFY_LISTS": str(folder / "venue"),
        })  # fmt: skip
        for host in (there, here, venue):
            ip("netns", "add", host.name)
            stack.callback(ip, "netns", "del", host.name)
            ip("-n", host.name, "link", "set", "lo", "up")
            ip("-n", host.name, "addr", "add", f"{host.address}/32", "dev", "lo")
        _link(there, "to-here", here, "to-there")
        _link(there, "to-venue", venue, "to-there")
        _link(here, "to-venue", venue, "to-here")
        roots = _found(there, here)
        for issuer in (there, here):
            issuer.set_line()
            _start(stack, issuer, certificates[issuer.address])
        yield Network(there, here, venue, roots)


def _link(one: Host, one_end: str, other: Host, other_end: str) -> None:
    ip(
        "link", "add", one_end, "netns", one.name, "type", "veth",
        "peer", "name", other_end, "netns", other.name,
    )  # fmt: skip
    for host, end in ((one, one_end), (other, other_end)):
        ip("-n", host.name, "link", "set", end, "up")
    for host, end, peer in ((one, one_end, other), (other, other_end, one)):
        ip("-n", host.name, "route", "add", f"{peer.address}/32", "dev", end, "src", host.address)


def _certificates(folder: Path) -> dict[str, Path]:
    """An authority, and a certificate with its key for each issuer's address."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority",
        "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    made = {}
    for address in ("10.77.0.1", "10.77.0.2"):
        openssl(
            *new, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{address}.key",
            "-out", f"{address}.crt", "-days", "1", "-subj", f"/CN={address}",
            "-addext", f"subjectAltName=IP:{address}",
            "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
        made[address] = folder / f"{address}.pem"
        made[address].write_bytes(
            (folder / f"{address}.key").read_bytes() + (folder / f"{address}.crt").read_bytes()
        )
    return made


def _issuer(
    folder: Path, name: str, address: str, region: str, environ: Mapping[str, str]
) -> Issuer:
    own = folder / region
    settings = settings_below(own, region=region) | {
        "CELADON_TRUST": str(folder / "trust"),
        "CELADON_LISTEN_PORT": str(PORT),
    }
    return Issuer(name, address, own, {**environ, **settings}, region, own / "line.json")


def _found(*issuers: Issuer) -> Path:
    """Keys, a trust list that names both, rules of today."""
    folder = issuers[0].folder.parent / "trust"
    for issuer in issuers:
        issuer.celadon("init")
    now = int(time.time())
    entries = [
        listed(
            issuer.environ,
            first_list=1000 * number,
            status_base=f"https://{issuer.address}/api/v1/published/status/",
        )
        for number, issuer in enumerate(issuers, start=1)
    ]
    hand_out(folder, *entries, now=now)
    for issuer in issuers:
        rules = issuer.folder / "rules.json"
        rules.write_text(_rules(issuer.region, now))
        issuer.celadon("adopt", str(rules))
    return folder / "roots.cbor"


def _rules(region: str, now: int) -> str:
    """The shipped standard as this region's own, in force since a month ago."""
    shipped = resources.files("issuer.rulesets").joinpath("shaanxi-2020-12.json")
    rules = json.loads(shipped.read_text("utf-8"))
    for name, days in (("announced_at", -40), ("valid_from", -30), ("valid_until", 60)):
        rules[name] = datetime.fromtimestamp(now + days * DAY_S, UTC).isoformat()
    return json.dumps({**rules, "id": f"standard-{region}", "jurisdiction": region})


def _start(stack: ExitStack, issuer: Issuer, certificate: Path) -> None:
    """The issuer and its front; both are stopped, by their own ids, when the stack unwinds."""
    front = str(ROOT / "tests" / "integration" / "tls_front.py")
    programs = (
        [sys.executable, "-m", "issuer.cli", "serve"],
        [sys.executable, front, str(certificate), issuer.address, str(PORT), str(issuer.line)],
    )
    for number, program in enumerate(programs):
        log = stack.enter_context((issuer.folder / f"{number}.log").open("w"))
        process = subprocess.Popen(
            issuer.command(*program), env=dict(issuer.environ), cwd=ROOT,
            stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        stack.callback(_stop, process)
        assert process.stdout is not None
        assert process.stdout.readline(), (issuer.folder / f"{number}.log").read_text()


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
