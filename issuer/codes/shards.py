"""Which code key signs which code: one shard of the day after the other, counted. Shell.

A code key covers at most so many codes that revoking it is affordable, and every full one covers
exactly so many, because the next is opened only when the one before is full. The count moves in
the transaction that stores the codes, by compare and set: neither two writers nor a crash bring
a key above its limit. Reading costs one statement for a set of codes, counting one for each key
used. Spec page: docs/spec/issuing.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from issuer.errors import CodeKeysFullError, IntegrityError, NoCodeKeyError
from issuer.storage.core import Authority, Secrets
from issuer.storage.sealing import mac
from issuer.storage.store import Row, Store
from issuer.storage.tx import Tx
from keys.lifecycle import Purpose
from keys.recorded import KeySigner
from keys.trustlist import ListedKey
from verifier.claims import Claims

__all__ = ["CodeKeyRow", "codes_left", "read_code_keys", "take_signers", "write_code_key"]

_COLUMNS: Final = "kid, codes, logged, stopped_at"
_READ: Final = f"SELECT {_COLUMNS}, mac FROM code_key WHERE kid {{keys}}"  # noqa: S608
_ALL: Final = f"SELECT {_COLUMNS}, mac FROM code_key ORDER BY kid"  # noqa: S608
_NEW: Final = f"INSERT INTO code_key ({_COLUMNS}, mac) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
_MOVE: Final = (
    "UPDATE code_key SET codes = ?, logged = ?, stopped_at = ?, mac = ? WHERE kid = ? AND codes = ?"
)


@dataclass(frozen=True, slots=True)
class CodeKeyRow:
    """One row of `code_key`.

    Attributes:
        codes: How many codes the key has signed.
        logged: How many of them the log was seen to hold, when it was last reconciled.
        stopped_at: Since when it signs nothing, because the two did not agree.
    """

    kid: bytes
    codes: int = 0
    logged: int = 0
    stopped_at: int | None = None


@dataclass(slots=True)
class _Shard:
    signer: KeySigner
    listed: ListedKey
    row: CodeKeyRow | None
    free: int
    taken: int = 0

    def covers(self, claims: Claims, now: int) -> bool:
        """Whether verifiers honour the key from now until the code ends."""
        return self.listed.not_before <= now and claims.exp <= self.listed.not_after


def take_signers(tx: Tx, wanted: Sequence[Claims]) -> list[KeySigner]:
    """A signer for each of *wanted*, in their order, and the keys' counts moved.

    A key signs on its own day whatever is asked for on that day, codes for days ahead as well.

    Raises:
        NoCodeKeyError: No key of ours may sign now and is in force until the code ends.
        CodeKeysFullError: There is one, but each such key has signed as many as it may.
        IntegrityError: A count was changed by somebody else.
    """
    shards = _shards(tx.store, tx.secrets, tx.authority, tx.now)
    fitting: dict[int, list[_Shard]] = {}
    signers = []
    for claims in wanted:
        fits = fitting.get(claims.exp)
        if fits is None:
            fits = fitting[claims.exp] = [s for s in shards if s.covers(claims, tx.now)]
            if not fits:
                raise NoCodeKeyError("no code key on the trust list may sign now, for that long")
        while fits and fits[0].taken == fits[0].free:
            fits.pop(0)
        if not fits:
            raise CodeKeysFullError(
                f"every code key of today has signed {tx.authority.codes_per_key} codes: activate"
                " a spare one, celadon keys list"
            )
        fits[0].taken += 1
        signers.append(fits[0].signer)
    for shard in shards:
        if shard.taken:
            _count(tx, shard)
    return signers


def codes_left(store: Store, secrets: Secrets, authority: Authority, now: int) -> tuple[int, int]:
    """How many codes our keys may still sign now, and how many that was when they were new.

    Raises:
        IntegrityError: A count was changed.
    """
    shards = _shards(store, secrets, authority, now)
    return sum(shard.free for shard in shards), len(shards) * authority.codes_per_key


def _shards(store: Store, secrets: Secrets, authority: Authority, now: int) -> list[_Shard]:
    """Our keys that may sign now, in the order in which they are filled."""
    ours = [
        (signer, listed)
        for signer in authority.code_keys
        if (listed := _listed(authority, signer.kid)) is not None and signer.may_sign(now)
    ]
    rows = {row.kid: row for row in read_code_keys(store, secrets, [s.kid for s, _ in ours])}
    shards = []
    for signer, listed in ours:
        row = rows.get(signer.kid)
        if row is None or row.stopped_at is None:
            free = max(0, authority.codes_per_key - (row.codes if row else 0))
            shards.append(_Shard(signer, listed, row, free))
    return shards


def _listed(authority: Authority, kid: bytes) -> ListedKey | None:
    """The key as verifiers have it, if they take it for a code key of ours."""
    found = authority.trust.find(kid)
    if found is None or found[0] != authority.issuer or found[1].purpose is not Purpose.CODE:
        return None
    return found[1]


def _count(tx: Tx, shard: _Shard) -> None:
    old = shard.row or CodeKeyRow(shard.signer.kid)
    new = CodeKeyRow(old.kid, old.codes + shard.taken, old.logged)
    write_code_key(tx, shard.row, new)


def write_code_key(tx: Tx, old: CodeKeyRow | None, new: CodeKeyRow) -> None:
    """Compare and set one row; *old* None: it is the first of its key.

    Raises:
        IntegrityError: The row is not *old* any more.
    """
    state = (new.codes, new.logged, new.stopped_at)
    tag = _mac(tx.secrets, (new.kid, *state))
    if old is None:
        tx.store.run(_NEW, (new.kid, *state, tag))
    elif tx.store.run(_MOVE, (*state, tag, old.kid, old.codes)) != 1:
        raise IntegrityError(f"code key {old.kid.hex()}: its count moved meanwhile")


def read_code_keys(
    store: Store, secrets: Secrets, kids: Sequence[bytes] | None = None
) -> list[CodeKeyRow]:
    """The rows of these keys, or of all that ever signed a code.

    Raises:
        IntegrityError: A row was changed.
    """
    rows = store.rows(_ALL) if kids is None else store.rows_of(_READ, kids)
    return [_checked(secrets, row) for row in rows]


def _checked(secrets: Secrets, row: Row) -> CodeKeyRow:
    *columns, tag = row
    if _mac(secrets, columns) != tag:
        raise IntegrityError(f"code key {bytes(row[0]).hex()}: its row was changed")
    return CodeKeyRow(*columns)


def _mac(secrets: Secrets, columns: Sequence[int | bytes | None]) -> bytes:
    return mac(secrets.rows, "code_key", columns)
