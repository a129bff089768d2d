"""What a trust list says, and what no trust list may say. Pure. Spec: docs/spec/trust-list.md.

The invariants hold for every object of these classes, whether it was read or written here: they
are checked on construction, so a draft fails as early as a forged list.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from keys.cbor import MAX_INT
from keys.dataclasses import dataclass, field
from keys.ed25519 import PublicKey
from keys.errors import (
    TrustListEnvironmentError,
    TrustListFormatError,
    TrustListKeyError,
    TrustListRangeError,
    TrustListSuccessorError,
)
from keys.kid import KID_BYTES, kid
from keys.purpose import Environment, Purpose

__all__ = [
    "MAX_KEYS", "MAX_LIST_NUMBER", "MAX_POLICIES", "MAX_ROOTS", "MAX_TEXT", "PUBLISHED_S", "UNSEEN",
    "Ending", "ListedIssuer", "ListedKey", "PinnedPolicy", "Roots", "TrustList",
]  # fmt: skip

MAX_KEYS: Final = 4_096
MAX_ROOTS: Final = 16
#: A code key stands on the list for so long before it counts: a door may be offline for a day.
PUBLISHED_S: Final = 86_400
MAX_POLICIES: Final = 256
MAX_TEXT: Final = 128
#: List numbers have 20 bits (docs/spec/code.md).
MAX_LIST_NUMBER: Final = 2**20 - 1

#: What nobody sees, or what turns or breaks a line. By number and not by Unicode's categories, of
#: which each version has others: two verifiers would disagree about a list with a newer character.
UNSEEN: Final = (
    r"[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u3000\ud800-\uf8ff\ufeff\ufff9-\ufffb\ufffe\uffff"
    r"\U000e0000-\U000e00ff\U000f0000-\U0010ffff]"
)
_REGION: Final = r"[0-9]{6}"
_POLICY_NAME: Final = r"[a-z0-9]+(-[a-z0-9]+)*"
_DIGEST_BYTES: Final = 32  # SHA-256
_PATH: Final = r"(:[0-9]{1,5})?/([A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*"
_HTTPS: Final = r"https://[a-z0-9.-]+" + _PATH
# A test list may point to this very machine.
_LOOPBACK: Final = r"http://(127\.0\.0\.1|localhost|\[::1\])" + _PATH


def _is_seen(text: str) -> bool:
    # No Python calls any of those printable: most texts need no look at each character.
    return text.isprintable() or re.search(UNSEEN, text) is None


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key that verifiers honour for one purpose.

    Attributes:
        not_before: UNIX seconds, the first at which signatures by this key are honoured.
        not_after: UNIX seconds, the first at which they are not. For a code key that is the end
            of its longest code, not the end of its signing.
        kid: Follows from the key; never read from anywhere.
    """

    public_key: PublicKey
    purpose: Purpose
    not_before: int
    not_after: int
    kid: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kid", kid(self.public_key))
        if not 0 <= self.not_before < self.not_after <= MAX_INT:
            raise TrustListKeyError(f"the window of key {self.kid.hex()} is empty")
        if self.purpose is Purpose.TRUST_ROOT:
            raise TrustListKeyError(f"key {self.kid.hex()} is a root and cannot be an issuer's")


@dataclass(frozen=True, slots=True)
class Ending:
    """When an issuer ends, and who issues codes to its people from then on.

    Attributes:
        successor: The region of an issuer on the same list that has no ending itself.
        ends_at: UNIX seconds, the first at which it issues no more codes.
        grace_until: The first at which verifiers honour none of its codes: whoever still shows
            one is told whose code to get.
    """

    successor: str
    ends_at: int
    grace_until: int

    def __post_init__(self) -> None:
        if not re.fullmatch(_REGION, self.successor):
            raise TrustListFormatError("the region of a successor is six digits")
        if not 0 <= self.ends_at <= self.grace_until <= MAX_INT:
            raise TrustListSuccessorError("a grace that is over before the end")


@dataclass(frozen=True, slots=True)
class PinnedPolicy:
    """A rule set or the risk table, as issuers must have it.

    Attributes:
        name: The id of the rule set, or "risk-table".
        version: Issuers adopt no lower one.
        digest: SHA-256 of the document of this version, as signed.
    """

    name: str
    version: int
    digest: bytes

    def __post_init__(self) -> None:
        if not (len(self.name) <= MAX_TEXT and re.fullmatch(_POLICY_NAME, self.name)):
            raise TrustListFormatError("the name of a policy is lower-case words and digits")
        if not 1 <= self.version <= MAX_INT:
            raise TrustListFormatError(f"policy {self.name}: a version is at least 1")
        if len(self.digest) != _DIGEST_BYTES:
            raise TrustListFormatError(f"policy {self.name}: a SHA-256 has 32 bytes")


@dataclass(frozen=True, slots=True)
class ListedIssuer:
    """A region's issuer, the status lists that it owns, and its keys.

    Attributes:
        region: GB/T 2260, six digits.
        status_base: Where its status lists are, ending in a slash.
        first_list: The first list number that it owns.
        last_list: The last one, itself included.
        contact: Where a person can appeal, printable text.
        keys: In ascending order of the public key, however they were given. No code key of an
            issuer that ends outlives its grace, so that who knows the keys needs nothing else.
        ending: None for an issuer that goes on.
    """

    region: str
    name_zh: str
    name_en: str
    status_base: str
    first_list: int
    last_list: int
    contact: str
    keys: tuple[ListedKey, ...]
    ending: Ending | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(_REGION, self.region):
            raise TrustListFormatError("a region is six digits")
        for text in (self.name_zh, self.name_en, self.contact, self.status_base):
            if not (0 < len(text) <= MAX_TEXT and _is_seen(text)):
                raise TrustListFormatError(f"region {self.region}: a text is not printable")
        if not 0 <= self.first_list <= self.last_list <= MAX_LIST_NUMBER:
            raise TrustListRangeError(f"region {self.region}: not a range of list numbers")
        if self.ending is not None:
            _require_end(self.keys, self.ending.grace_until)
        object.__setattr__(self, "keys", tuple(sorted(self.keys, key=_public_key)))


@dataclass(frozen=True, slots=True)
class Roots:
    """The keys that sign trust lists, and how many of them must.

    Attributes:
        epoch: From 1, one more with every change of the roots.
        keys: In ascending order, however they were given.
    """

    epoch: int
    threshold: int
    keys: tuple[PublicKey, ...]
    environment: Environment

    def __post_init__(self) -> None:
        if not 1 <= self.epoch <= MAX_INT:
            raise TrustListFormatError("an epoch is at least 1")
        if not 1 <= self.threshold <= len(self.keys) <= MAX_ROOTS:
            raise TrustListFormatError(
                f"{len(self.keys)} roots cannot have a threshold of {self.threshold}"
            )
        _require_distinct(self.keys, "root")
        object.__setattr__(self, "keys", tuple(sorted(self.keys)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustList:
    """A whole list. Says nothing about who signed it: `verify_trust_list` makes trusted ones.

    Attributes:
        version: From 1, one more with every list.
        issued_at: UNIX seconds.
        next_update: When verifiers should have looked for a newer one.
        not_after: The first second at which this list is worth nothing.
        roots: Who signs the lists from this one on.
        issuers: In ascending order of the region, however they were given.
        withdrawn: kids that are dead for ever, whatever any issuer says. None of them is listed.
        former_roots: Keys of earlier roots that may sign beside the present ones, for verifiers
            that still trust those. Ascending.
        policies: Rule sets and risk tables that issuers must have. Ascending by name.
    """

    version: int
    issued_at: int
    next_update: int
    not_after: int
    roots: Roots
    issuers: tuple[ListedIssuer, ...]
    withdrawn: frozenset[bytes] = frozenset()
    former_roots: tuple[PublicKey, ...] = ()
    policies: tuple[PinnedPolicy, ...] = ()
    _by_kid: dict[bytes, tuple[ListedIssuer, ListedKey]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not 1 <= self.version <= MAX_INT:
            raise TrustListFormatError("a version is at least 1")
        if not 0 <= self.issued_at < self.next_update <= self.not_after <= MAX_INT:
            raise TrustListFormatError("issue, next update and end are not in this order")
        object.__setattr__(self, "issuers", tuple(sorted(self.issuers, key=_region)))
        object.__setattr__(self, "former_roots", tuple(sorted(self.former_roots)))
        object.__setattr__(self, "policies", tuple(sorted(self.policies, key=_name)))
        _require_ranges_apart(self.issuers)
        _require_successors(self.issuers)
        _require_addresses(self.issuers, self.environment)
        _require_names_apart(self.policies)
        _require_distinct((*self.roots.keys, *self.former_roots), "root")
        object.__setattr__(self, "_by_kid", self._index())

    def _index(self) -> dict[bytes, tuple[ListedIssuer, ListedKey]]:
        """Every listed key by its kid; refuses what could be taken for something else."""
        pairs = [(issuer, key) for issuer in self.issuers for key in issuer.keys]
        if len(pairs) > MAX_KEYS:
            raise TrustListKeyError(f"{len(pairs)} keys, at most {MAX_KEYS} are allowed")
        by_kid = {key.kid: (issuer, key) for issuer, key in pairs}
        if len(by_kid) != len(pairs):
            raise TrustListKeyError("a key is listed twice, or two keys share a kid")
        for root in (*self.roots.keys, *self.former_roots):
            if kid(root) in by_kid:
                raise TrustListKeyError(f"root {kid(root).hex()} is also an issuer's key")
        for dead in self.withdrawn:
            if len(dead) != KID_BYTES:
                raise TrustListFormatError("a withdrawn kid has not 4 bytes")
            if dead in by_kid:
                raise TrustListKeyError(f"key {dead.hex()} is withdrawn and listed")
        return by_kid

    @property
    def environment(self) -> Environment:
        return self.roots.environment

    def find(self, key_id: bytes) -> tuple[ListedIssuer, ListedKey] | None:
        """The issuer and key of this kid, or None. Looks at no window and no purpose."""
        return self._by_kid.get(key_id)

    def issuer(self, region: str) -> ListedIssuer | None:
        """The issuer of *region*, six digits, or None."""
        return next((issuer for issuer in self.issuers if issuer.region == region), None)

    def counting(self, at: int) -> tuple[ListedIssuer, ...]:
        """The issuers whose codes may count at *at*: all but those whose grace is over."""
        return tuple(i for i in self.issuers if i.ending is None or at < i.ending.grace_until)

    def owner_of(self, list_number: int) -> ListedIssuer | None:
        """The issuer that owns this status list, or None."""
        return next((i for i in self.issuers if i.first_list <= list_number <= i.last_list), None)

    def pinned(self, name: str) -> PinnedPolicy | None:
        """The policy that is pinned under this name, or None."""
        return next((policy for policy in self.policies if policy.name == name), None)


def _public_key(key: ListedKey) -> bytes:
    return key.public_key


def _region(issuer: ListedIssuer) -> str:
    return issuer.region


def _name(policy: PinnedPolicy) -> str:
    return policy.name


def _first_list(issuer: ListedIssuer) -> int:
    return issuer.first_list


def _require_distinct(keys: Iterable[PublicKey], what: str) -> None:
    kids = [kid(key) for key in keys]
    if len(set(kids)) != len(kids):
        raise TrustListKeyError(f"a {what} is listed twice, or two share a kid")


def _require_ranges_apart(issuers: tuple[ListedIssuer, ...]) -> None:
    """One issuer for each region, and at most one for each list number."""
    if len({issuer.region for issuer in issuers}) != len(issuers):
        raise TrustListFormatError("a region is listed twice")
    ordered = sorted(issuers, key=_first_list)
    for before, after in pairwise(ordered):
        if after.first_list <= before.last_list:
            raise TrustListRangeError(
                f"regions {before.region} and {after.region} own the same list numbers"
            )


def _require_end(keys: Iterable[ListedKey], grace_until: int) -> None:
    for key in keys:
        if key.purpose is Purpose.CODE and key.not_after > grace_until:
            raise TrustListSuccessorError(
                f"code key {key.kid.hex()} outlives the grace of its issuer"
            )


def _require_successors(issuers: tuple[ListedIssuer, ...]) -> None:
    """Whoever ends is followed by one that goes on: no chains, and so no circles."""
    lasting = {issuer.region for issuer in issuers if issuer.ending is None}
    for issuer in issuers:
        if issuer.ending is not None and issuer.ending.successor not in lasting:
            raise TrustListSuccessorError(
                f"region {issuer.region} ends in favour of {issuer.ending.successor}, "
                "which is not listed or ends itself"
            )


def _require_names_apart(policies: tuple[PinnedPolicy, ...]) -> None:
    if len(policies) > MAX_POLICIES:
        raise TrustListFormatError(f"{len(policies)} policies, at most {MAX_POLICIES} are allowed")
    if len({policy.name for policy in policies}) != len(policies):
        raise TrustListFormatError("a policy is pinned twice")


def _require_addresses(issuers: tuple[ListedIssuer, ...], environment: Environment) -> None:
    """Https with a plain path, so that an address has one spelling; test lists may stay at home."""
    for issuer in issuers:
        if re.fullmatch(_HTTPS, issuer.status_base):
            continue
        if environment is Environment.TEST and re.fullmatch(_LOOPBACK, issuer.status_base):
            continue
        raise TrustListEnvironmentError(
            f"region {issuer.region}: its status lists must be at an https address"
        )
