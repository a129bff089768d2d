"""A trust list and its changes as lines that the people who sign it can read. Pure."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final

from keys.instants import format_time
from keys.kid import kid
from keys.purpose import Purpose
from keys.trustlist import encode_roots, encode_trust_list
from keys.trustmodel import (
    PUBLISHED_S,
    Ending,
    ListedIssuer,
    ListedKey,
    PinnedPolicy,
    Roots,
    TrustList,
)

__all__ = [
    "NOTICE_S", "changes_text", "digest_text", "roots_text",
    "trust_list_text",
]  # fmt: skip

#: People whose issuer ends have so long to get another code.
NOTICE_S: Final = 7 * 86_400


def digest_text(data: bytes) -> str:
    """SHA-256 in groups of four digits, to be read aloud."""
    return _grouped(sha256(data).digest())


def _grouped(digest: bytes) -> str:
    digits = digest.hex()
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def trust_list_text(trust: TrustList) -> str:
    """Everything that the list says. Two different lists have two different texts."""
    lines = [
        f"Trust list, version {trust.version}, {trust.environment}",
        f"  issued       {format_time(trust.issued_at)}",
        f"  next update  {format_time(trust.next_update)}",
        f"  ends         {format_time(trust.not_after)}",
        *_roots_lines(trust.roots),
        *(f"    former root {_named(key)}" for key in trust.former_roots),
        *(line for issuer in trust.issuers for line in _issuer_lines(issuer)),
        *(f"  {_policy_line(pin)}" for pin in trust.policies),
        f"  withdrawn for ever: {_kids(trust.withdrawn)}",
        f"  SHA-256 of what is signed: {digest_text(encode_trust_list(trust))}",
    ]
    return "\n".join(lines)


def roots_text(roots: Roots) -> str:
    """Everything that a roots file says, and its digest to compare."""
    lines = _roots_lines(roots)
    return "\n".join(
        [f"Roots, {roots.environment}", *lines, f"  SHA-256: {digest_text(encode_roots(roots))}"]
    )


def _roots_lines(roots: Roots) -> list[str]:
    head = f"  roots: epoch {roots.epoch}, {roots.threshold} of {len(roots.keys)} must sign"
    return [head, *(f"    root {_named(key)}" for key in roots.keys)]


def _issuer_lines(issuer: ListedIssuer) -> list[str]:
    return [
        f"  {issuer.region} {issuer.name_zh} {issuer.name_en}",
        f"    status lists {issuer.first_list} to {issuer.last_list} at {issuer.status_base}",
        f"    appeals to {issuer.contact}",
        *([] if issuer.ending is None else [f"    {_ending_line(issuer.ending)}"]),
        *(f"    {_key_line(key)}" for key in issuer.keys),
    ]


def _ending_line(ending: Ending) -> str:
    return (
        f"ENDS {format_time(ending.ends_at)}, its codes count until "
        f"{format_time(ending.grace_until)}, then those of {ending.successor}"
    )


def _policy_line(pin: PinnedPolicy) -> str:
    return f"policy {pin.name} from version {pin.version}, SHA-256 {_grouped(pin.digest)}"


def _key_line(key: ListedKey) -> str:
    window = f"{format_time(key.not_before)} until {format_time(key.not_after)}"
    return f"{key.purpose:<10} {key.kid.hex()}  {window}  {key.public_key.hex()}"


def _named(key: bytes) -> str:
    return f"{kid(key).hex()}  {key.hex()}"


def _kids(kids: Iterable[bytes]) -> str:
    return " ".join(dead.hex() for dead in sorted(kids)) or "none"


def changes_text(held: TrustList, trust: TrustList) -> str:
    """What differs from *held*: a line for each thing that comes (+), goes (-) or startles (!)."""
    before, after = _statements(held), _statements(trust)
    lines = [
        *(f"  - {line}" for line in before if line not in after),
        *(f"  + {line}" for line in after if line not in before),
        *(f"  ! {line}" for line in _startling(held, trust)),
    ]
    head = f"Changes since version {held.version}:"
    return "\n".join([head, *(lines or ["  none"])])


def _startling(held: TrustList, trust: TrustList) -> Iterator[str]:
    """What is allowed, and right only in an emergency: signers should know why it is done."""
    if trust.roots.epoch != held.roots.epoch:
        yield "a new epoch of roots: both quorums must sign, and endings and pins may change"
    for key in held.roots.keys:
        if key not in (*trust.roots.keys, *trust.former_roots):
            yield f"root {kid(key).hex()} leaves unnamed: it cannot sign this list"
    for issuer in trust.issuers:
        yield from _late_keys(held, issuer, trust.issued_at)
        before = held.issuer(issuer.region)
        if issuer.ending is not None and (before is None or before.ending != issuer.ending):
            yield from _sudden_ending(issuer.region, issuer.ending, trust.issued_at)
    for issuer in held.issuers:
        if trust.issuer(issuer.region) is None:
            yield f"{issuer.region} is gone: doors will know neither its codes nor whose to ask for"


def _late_keys(held: TrustList, issuer: ListedIssuer, issued_at: int) -> Iterator[str]:
    for key in issuer.keys:
        new = key.purpose is Purpose.CODE and held.find(key.kid) is None
        if new and key.not_before < issued_at + PUBLISHED_S:
            yield (
                f"code key {key.kid.hex()} of {issuer.region} counts less than 24 h after the "
                "issue: doors that are offline will not know it yet"
            )


def _sudden_ending(region: str, ending: Ending, issued_at: int) -> Iterator[str]:
    if ending.grace_until < issued_at + NOTICE_S:
        yield f"codes of {region} count for less than 7 days after the issue: people need notice"


def _statements(trust: TrustList) -> dict[str, None]:
    """What a list says, one statement a line, each complete in itself."""
    times = [trust.issued_at, trust.next_update, trust.not_after]
    issued_at, next_update, not_after = map(format_time, times)
    lines = [f"version {trust.version}, {trust.environment}, issued {issued_at}"]
    lines += [f"next update {next_update}", f"ends {not_after}"]
    lines += [line.strip() for line in _roots_lines(trust.roots)]
    lines += [f"former root {_named(key)}" for key in trust.former_roots]
    for issuer in trust.issuers:
        lines += [f"{issuer.region}: {line.strip()}" for line in _issuer_lines(issuer)]
    lines += [_policy_line(pin) for pin in trust.policies]
    lines += [f"withdrawn {dead.hex()}" for dead in sorted(trust.withdrawn)]
    return dict.fromkeys(lines)
