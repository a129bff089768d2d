"""What a region publishes and a venue holds, made from `tests.code_support.World`."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from keys.trustlist import TrustList, encode_roots, encode_trust_list, sign_trust_list
from tests.code_support import HEILONGJIANG, SHAANXI, Province, World, signer
from verifier.claims import HOUR_S
from verifier.cli import Streams, run
from verifier.statuslist import Snapshot, sign_snapshot
from verifier.update import set_up

__all__ = ["Result", "Run", "publish", "published", "roots_of", "signed", "venue"]

PROVINCES = (SHAANXI, HEILONGJIANG)


def signed(trust: TrustList, roots: Sequence[int] = (1, 2)) -> bytes:
    """The list, signed by these roots of the world."""
    return sign_trust_list(encode_trust_list(trust), [signer(f"root {n}") for n in roots])


def roots_of(world: World) -> bytes:
    return encode_roots(world.trust.roots)


def snapshot_of(world: World, province: Province, tokens: Mapping[int, bytes]) -> bytes:
    digests = {
        number: sha256(token).digest()
        for number, token in tokens.items()
        if province.first_list <= number <= province.last_list
    }
    issued_at = world.now - HOUR_S
    return sign_snapshot(
        Snapshot(province.region, issued_at, issued_at + 24 * HOUR_S, world.trust.version, digests),
        province.status_signer,
    )


def published(world: World) -> dict[str, bytes]:
    """All published files of the world by name."""
    tokens = world.tokens()
    return {
        "trust-list.cbor": signed(world.trust),
        **{f"status/{number}.cwt": token for number, token in tokens.items()},
        **{
            f"status/{province.region}.snapshot": snapshot_of(world, province, tokens)
            for province in PROVINCES
        },
    }


def publish(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files as a web server would serve them."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@dataclass(frozen=True)
class Result:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class Run:
    """Runs `celadon-verify` in this process, on one folder, at one time."""

    folder: Path
    now: int
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *argv: str, stdin: bytes = b"") -> Result:
        out, err = io.StringIO(), io.StringIO()
        environ = {"CELADON_VERIFY_LISTS": str(self.folder), **self.environ}
        status = run(argv, environ, Streams(io.BytesIO(stdin), out, err, lambda: self.now))
        return Result(status, out.getvalue(), err.getvalue())


def venue(
    tmp_path: Path, world: World, *, sources: Iterable[str] | None = None, strict: bool = True
) -> Run:
    """A venue that was set up with the world's roots and has taken its lists, by *strict* all."""
    public = publish(tmp_path / "public", published(world))
    command = Run(tmp_path / "venue", world.now)
    set_up(str(command.folder), roots_of(world), [str(public)] if sources is None else [*sources])
    updated = command("update")
    if strict and updated.status != 0:
        raise RuntimeError(updated.out + updated.err)
    return command
