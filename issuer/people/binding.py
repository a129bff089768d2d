"""Binding: a one-time code to the phone proves who asks; a token then stands for the person.

Codes and tokens are stored hashed. A code is good for ten minutes, five tries and one use, and
only together with the request it was made for. Where nobody is registered under the name and
phone given, everything is done all the same: the same rows, the same message, the same answer to
a right code as to a wrong one. Source: docs/spec/api.md, "Binding".
"""

import base64
import hashlib
import hmac
import os
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from issuer.errors import NotBoundError
from issuer.people.people import find
from issuer.storage.sealing import associated, mac
from issuer.storage.store import Row, Store, read_store

__all__ = [
    "CODE_LIFE_S",
    "MAX_ASKED_PER_HOUR",
    "MAX_TRIES",
    "Asked",
    "Binding",
    "Bound",
    "Sessions",
    "ask",
    "confirm",
    "list_bindings",
    "revoke",
    "unask",
]

CODE_DIGITS: Final = 6
CODE_LIFE_S: Final = 600
MAX_TRIES: Final = 5
#: Codes sent per name and phone in one hour: 25 guesses an hour at one in a million.
MAX_ASKED_PER_HOUR: Final = 5
_HOUR_S: Final = 3600
_REMEMBERED_S: Final = 5
_TOKEN_BYTES: Final = 32
_BINDING_ID_BYTES: Final = 8
_HASH_BYTES: Final = 32

_FORGET: Final = "DELETE FROM one_time_code WHERE expires_at <= ?"
_ASKED: Final = "SELECT count(*) FROM one_time_code WHERE asked_for = ? AND made_at > ?"
_NEW_CODE: Final = (
    "INSERT INTO one_time_code (request_hash, asked_for, subject, code_hash, tries, made_at,"
    " expires_at, mac) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_WAITING: Final = (
    "SELECT request_hash, asked_for, subject, code_hash, tries, made_at, expires_at, mac"
    " FROM one_time_code WHERE request_hash = ? AND tries < ? AND expires_at > ?"
)
_UNASKED: Final = "DELETE FROM one_time_code WHERE request_hash = ?"
_TRIED: Final = "UPDATE one_time_code SET tries = ?, mac = ? WHERE request_hash = ?"
_BIND: Final = (
    "INSERT INTO binding (token_hash, binding_id, subject, bound_at, expires_at,"
    " revoked_at, mac) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_BINDINGS: Final = (
    "SELECT binding_id, bound_at, expires_at FROM binding WHERE subject = ? AND expires_at > ?"
    " AND revoked_at IS NULL ORDER BY bound_at, binding_id"
)
_ROW: Final = (
    "SELECT token_hash, binding_id, subject, bound_at, expires_at, revoked_at, mac FROM binding"
)
_OWN: Final = f"{_ROW} WHERE subject = ? AND binding_id = ? AND revoked_at IS NULL"
_REVOKE: Final = "UPDATE binding SET revoked_at = ?, mac = ? WHERE token_hash = ?"
_WHOSE: Final = f"{_ROW} WHERE token_hash = ? AND expires_at > ? AND revoked_at IS NULL"
_TOKEN_FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """*request* goes back to whoever asked, *code* to the phone: None once an hour's are used."""

    request: str
    code: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Bound:
    """A new binding. *token* is shown once and stored nowhere."""

    token: str
    subject: bytes
    binding_id: bytes
    expires_at: int


@dataclass(frozen=True, slots=True)
class Binding:
    """One binding of a person, as the person sees it."""

    binding_id: bytes
    bound_at: int
    expires_at: int


def ask(  # noqa: PLR0913 - one operation, its input and what it depends on
    store: Store,
    digest: bytes,
    *,
    pepper: bytes,
    rows: bytes,
    now: int,
    randomness: Callable[[int], bytes] = os.urandom,
) -> Asked:
    """Make a one-time code for whoever the index entry *digest* belongs to, if anybody.

    Raises:
        IntegrityError: The index entry was changed.
    """
    store.run(_FORGET, (now - _HOUR_S,))
    ((asked,),) = store.rows(_ASKED, (digest, now - _HOUR_S))
    request = _text(randomness(_TOKEN_BYTES))
    if asked >= MAX_ASKED_PER_HOUR:
        return Asked(request, None)  # and not counted: asking in vain keeps nobody out longer
    code = _digits(randomness(16))
    row = (
        _hash(request),
        digest,
        find(store, digest, rows=rows),
        _code_hash(pepper, request, code),
        0,
        now,
        now + CODE_LIFE_S,
    )
    store.run(_NEW_CODE, (*row, mac(rows, "one_time_code", row)))
    return Asked(request, code)


def unask(store: Store, request: str) -> None:
    """Forget a code that could not be sent: it is none of the hour's."""
    store.run(_UNASKED, (_hash(request),))


def confirm(  # noqa: PLR0913 - one operation, its two inputs and what it depends on
    store: Store,
    request: str,
    code: str,
    *,
    pepper: bytes,
    rows: bytes,
    now: int,
    life_s: int,
    randomness: Callable[[int], bytes] = os.urandom,
) -> Bound | None:
    """Exchange a code for a binding; None where it is refused, for whatever reason.

    The try counts even when it is refused: commit the transaction in both cases.
    """
    request_hash = _hash(request)
    found = _unchanged(store.rows(_WAITING, (request_hash, MAX_TRIES, now)), "one_time_code", rows)
    stored, subject = (found[3], found[2]) if found else (bytes(_HASH_BYTES), None)
    right = hmac.compare_digest(stored, _code_hash(pepper, request, code))
    if found:
        tries = MAX_TRIES if right and subject is not None else found[4] + 1
        tried = (*found[:4], tries, *found[5:])
        store.run(_TRIED, (tries, mac(rows, "one_time_code", tried), request_hash))
    if not right or subject is None:
        return None
    bound = Bound(
        _text(randomness(_TOKEN_BYTES)), subject, randomness(_BINDING_ID_BYTES), now + life_s
    )
    row = (_hash(bound.token), bound.binding_id, subject, now, bound.expires_at, None)
    store.run(_BIND, (*row, mac(rows, "binding", row)))
    return bound


def list_bindings(store: Store, subject: bytes, *, now: int) -> tuple[Binding, ...]:
    """The person's bindings that are good now, oldest first."""
    return tuple(Binding(*row) for row in store.rows(_BINDINGS, (subject, now)))


def revoke(store: Store, subject: bytes, binding_id: bytes, *, rows: bytes, now: int) -> bool:
    """End one of the person's own bindings; False where there is none like it to end."""
    found = _unchanged(store.rows(_OWN, (subject, binding_id)), "binding", rows)
    if found is None:
        return False
    tag = mac(rows, "binding", (*found[:5], now))
    return store.run(_REVOKE, (now, tag, found[0])) == 1


class Sessions:
    """Whose token this is, remembered for a few seconds.

    A revoked token is refused at once by the process that revoked it (`forget`) and by every
    other one within those seconds.
    """

    __slots__ = ("_endings", "_engine", "_known", "_limit", "_rows")

    def __init__(self, engine: Engine, rows: bytes, *, limit: int = 10_000) -> None:
        self._engine = engine
        self._rows = rows
        self._limit = limit
        self._known: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()
        self._endings = 0

    def recall(self, token: str, *, now: int) -> bytes | None:
        """The subject, where it was looked up just before; never blocks."""
        known = self._known.get(_hash(token))
        return known[0] if known is not None and known[1] > now else None

    def look_up(self, token: str, *, now: int) -> bytes:
        """The subject of a token. Blocks.

        Raises:
            NotBoundError: No such token, or it expired or was revoked, or its row was changed.
        """
        if not _TOKEN_FORM.fullmatch(token):
            raise NotBoundError("not a token")
        token_hash = _hash(token)
        endings = self._endings
        with read_store(self._engine) as store:
            found = _unchanged(store.rows(_WHOSE, (token_hash, now)), "binding", self._rows)
        if found is None:
            raise NotBoundError("no binding")
        subject: bytes = found[2]
        expires_at = found[4]
        self._known[token_hash] = (subject, min(now + _REMEMBERED_S, expires_at))
        if endings != self._endings:  # it may have ended since it was read
            self._known.pop(token_hash, None)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)
        return subject

    def forget(self, subject: bytes) -> None:
        """Look the person's tokens up again from now on."""
        self._endings += 1
        for token_hash, known in list(self._known.items()):
            if known[0] == subject:
                self._known.pop(token_hash, None)


def _unchanged(found: list[Row], table: str, rows: bytes) -> Row | None:
    """The row without its MAC, the last column; None: none, or not as the issuer wrote it.

    A changed row gets no new MAC either: the replay is to find it.
    """
    for *columns, tag in found:
        if mac(rows, table, columns) == tag:
            return tuple(columns)
    return None


def _text(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def _hash(secret: str) -> bytes:
    """Enough for secrets of 256 bits: nobody tries them out.

    A token may be any bytes of a header: aiohttp gives those that are no UTF-8 as surrogates.
    """
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()


def _digits(random: bytes) -> str:
    # 128 bits modulo a million: no digit is likelier than another by more than 2**-108.
    return f"{int.from_bytes(random, 'big') % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def _code_hash(pepper: bytes, request: str, code: str) -> bytes:
    """Six digits are quickly tried out, so this is keyed; and bound to the request."""
    message = associated("one-time code", [request, code])
    return hashlib.blake2b(message, key=pepper, digest_size=_HASH_BYTES).digest()
