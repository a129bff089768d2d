"""A trust list and its changes as lines that the people who sign it can read. Pure."""

from collections.abc import Iterable
from hashlib import sha256

from keys.instants import format_time
from keys.kid import kid
from keys.trustlist import encode_roots, encode_trust_list
from keys.trustmodel import Ending, ListedIssuer, ListedKey, PinnedPolicy, Roots, TrustList

__all__ = ["changes_text", "digest_text", "roots_text", "trust_list_text"]


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
    """What differs from *held*, a line for each thing that comes (+) or goes (-)."""
    before, after = _statements(held), _statements(trust)
    lines = [
        *(f"  - {line}" for line in before if line not in after),
        *(f"  + {line}" for line in after if line not in before),
    ]
    head = f"Changes since version {held.version}:"
    return "\n".join([head, *(lines or ["  nothing but the times"])])


def _statements(trust: TrustList) -> dict[str, None]:
    """What a list says, one statement a line, each complete in itself; without its times."""
    lines = [line.strip() for line in _roots_lines(trust.roots)]
    lines += [f"environment {trust.environment}"]
    lines += [f"former root {_named(key)}" for key in trust.former_roots]
    for issuer in trust.issuers:
        lines += [f"{issuer.region}: {line.strip()}" for line in _issuer_lines(issuer)]
    lines += [_policy_line(pin) for pin in trust.policies]
    lines += [f"withdrawn {dead.hex()}" for dead in sorted(trust.withdrawn)]
    return dict.fromkeys(lines)
