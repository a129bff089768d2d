"""What a region publishes and a venue holds, made from `tests.code_support.World`."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from keys.trustlist import TrustList, encode_roots, encode_trust_list, sign_trust_list
from tests.code_support import DAY_S, HEILONGJIANG, SHAANXI, Province, World, signer
from verifier.claims import HOUR_S
from verifier.cli import Streams, run
from verifier.statusdelta import StatusDelta, encode_changes, sign_delta
from verifier.statuslist import (
    Snapshot,
    Status,
    contents_digest,
    pack_statuses,
    sign_snapshot,
)
from verifier.update import set_up

__all__ = [
    "Result", "Run", "delta_of", "publish", "published", "region_files", "roots_of", "signed",
    "snapshot_of", "venue",
]  # fmt: skip

PROVINCES = (SHAANXI, HEILONGJIANG)


def signed(trust: TrustList, roots: Sequence[int] = (1, 2)) -> bytes:
    """The list, signed by these roots of the world."""
    return sign_trust_list(encode_trust_list(trust), [signer(f"root {n}") for n in roots])


def roots_of(world: World) -> bytes:
    return encode_roots(world.trust.roots)


def delta_of(
    world: World,
    province: Province,
    numbers: Iterable[int],
    changes: Mapping[int, Mapping[int, Status]] = MappingProxyType({}),
    *,
    base: int | None = None,
) -> bytes:
    """The province's delta of an hour ago over these lists, without changes unless some are given.

    It reaches back a day unless *base* is given.
    """
    issued_at = world.now - HOUR_S
    encoded = {number: encode_changes(changes.get(number, {})) for number in numbers}
    reach = issued_at - DAY_S if base is None else base
    delta = StatusDelta(province.region, issued_at, issued_at + DAY_S, reach, encoded)
    return sign_delta(delta, province.status_signer)


def snapshot_of(
    world: World, province: Province, digests: Mapping[int, bytes], delta: bytes
) -> bytes:
    """The province's snapshot of an hour ago over contents with these digests, and this delta."""
    issued_at, version = world.now - HOUR_S, world.trust.version
    return sign_snapshot(
        Snapshot(
            province.region, issued_at, issued_at + DAY_S, version, digests, sha256(delta).digest()
        ),
        province.status_signer,
    )


def region_files(
    world: World,
    province: Province,
    tokens: Mapping[int, bytes],
    digests: Mapping[int, bytes],
) -> dict[str, bytes]:
    """What the province publishes below status/: lists, a delta without changes, its snapshot.

    Lists may be anything; *digests* are what the snapshot says about their contents.
    """
    delta = delta_of(world, province, digests)
    return {
        **{f"status/{number}.cwt": token for number, token in tokens.items()},
        f"status/{province.region}.delta": delta,
        f"status/{province.region}.snapshot": snapshot_of(world, province, digests, delta),
    }


def published(world: World) -> dict[str, bytes]:
    """All published files of the world by name."""
    files = {"trust-list.cbor": signed(world.trust)}
    tokens = world.tokens()
    for province in PROVINCES:
        digests = {
            number: contents_digest(pack_statuses(statuses, entries=world.entries))
            for (owner, number), statuses in world.statuses.items()
            if owner is province
        }
        own = {number: tokens[number] for number in digests}
        files |= region_files(world, province, own, digests)
    return files


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
