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

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from audit.database import reading
from issuer import models
from issuer.errors import NotBoundError
from issuer.people import find
from issuer.sealing import associated

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
]

CODE_DIGITS: Final = 6
CODE_LIFE_S: Final = 600
MAX_TRIES: Final = 5
#: Codes sent per name and phone in one hour: 25 guesses an hour at one in a million.
MAX_ASKED_PER_HOUR: Final = 5
_HOUR_S: Final = 3600
_TOKEN_BYTES: Final = 32
_BINDING_ID_BYTES: Final = 8
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


def ask(
    connection: Connection,
    digest: bytes,
    *,
    pepper: bytes,
    now: int,
    randomness: Callable[[int], bytes] = os.urandom,
) -> Asked:
    """Make a one-time code for whoever the index entry *digest* belongs to, if anybody."""
    codes = models.one_time_code
    if connection.dialect.name == "postgresql":
        # SQLite's writers wait for each other; here those who count the same rows must.
        lock = int.from_bytes(digest[:8], "big", signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(lock)))
    connection.execute(delete(codes).where(codes.c.expires_at <= now - _HOUR_S))
    asked = connection.execute(
        select(func.count())
        .select_from(codes)
        .where(codes.c.asked_for == digest, codes.c.made_at > now - _HOUR_S)
    ).scalar_one()
    request = _text(randomness(_TOKEN_BYTES))
    code = _digits(randomness(16))
    connection.execute(
        insert(codes),
        {
            "request_hash": _hash(request),
            "asked_for": digest,
            "subject": find(connection, digest),
            "code_hash": _code_hash(pepper, request, code),
            "tries": 0 if asked < MAX_ASKED_PER_HOUR else MAX_TRIES,
            "made_at": now,
            "expires_at": now + CODE_LIFE_S,
        },
    )
    return Asked(request, code if asked < MAX_ASKED_PER_HOUR else None)


def confirm(  # noqa: PLR0913 - one operation, its three inputs and what it depends on
    connection: Connection,
    request: str,
    code: str,
    *,
    pepper: bytes,
    now: int,
    life_s: int,
    randomness: Callable[[int], bytes] = os.urandom,
) -> Bound | None:
    """Exchange a code for a binding; None where it is refused, for whatever reason.

    The try counts even when the caller refuses afterwards: commit the transaction in both cases.
    """
    codes = models.one_time_code
    row = connection.execute(
        update(codes)
        .where(
            codes.c.request_hash == _hash(request),
            codes.c.tries < MAX_TRIES,
            codes.c.expires_at > now,
        )
        .values(tries=codes.c.tries + 1)
        .returning(codes.c.code_hash, codes.c.subject)
    ).one_or_none()
    stored, subject = row if row is not None else (bytes(32), None)
    right = hmac.compare_digest(stored, _code_hash(pepper, request, code))
    if not right or subject is None:
        return None
    connection.execute(
        update(codes).where(codes.c.request_hash == _hash(request)).values(tries=MAX_TRIES)
    )
    bound = Bound(
        _text(randomness(_TOKEN_BYTES)), subject, randomness(_BINDING_ID_BYTES), now + life_s
    )
    connection.execute(
        insert(models.binding),
        {
            "token_hash": _hash(bound.token),
            "binding_id": bound.binding_id,
            "subject": subject,
            "bound_at": now,
            "expires_at": bound.expires_at,
        },
    )
    return bound


def list_bindings(connection: Connection, subject: bytes, *, now: int) -> tuple[Binding, ...]:
    """The person's bindings that are good now, oldest first."""
    table = models.binding
    rows = connection.execute(
        select(table.c.binding_id, table.c.bound_at, table.c.expires_at)
        .where(table.c.subject == subject, table.c.expires_at > now, table.c.revoked_at.is_(None))
        .order_by(table.c.bound_at, table.c.binding_id)
    )
    return tuple(Binding(*row) for row in rows)


def revoke(connection: Connection, subject: bytes, binding_id: bytes, *, now: int) -> bool:
    """End one of the person's own bindings; False where there is none like it to end."""
    table = models.binding
    ended = connection.execute(
        update(table)
        .where(
            table.c.subject == subject,
            table.c.binding_id == binding_id,
            table.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    return ended.rowcount == 1


class Sessions:
    """Whose token this is, remembered for a few seconds.

    A revoked token is refused at once by the process that revoked it (`forget`) and by every
    other one within *remember_s*.
    """

    __slots__ = ("_engine", "_known", "_limit", "_remember_s")

    def __init__(self, engine: Engine, *, remember_s: int = 5, limit: int = 10_000) -> None:
        self._engine = engine
        self._remember_s = remember_s
        self._limit = limit
        self._known: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()

    def recall(self, token: str, *, now: int) -> bytes | None:
        """The subject, where it was looked up just before; never blocks."""
        known = self._known.get(_hash(token))
        return known[0] if known is not None and known[1] > now else None

    def look_up(self, token: str, *, now: int) -> bytes:
        """The subject of a token. Blocks.

        Raises:
            NotBoundError: No such token, or it expired or was revoked.
        """
        if not _TOKEN_FORM.fullmatch(token):
            raise NotBoundError("not a token")
        table, token_hash = models.binding, _hash(token)
        with reading(self._engine) as connection:
            row = connection.execute(
                select(table.c.subject, table.c.expires_at, table.c.revoked_at).where(
                    table.c.token_hash == token_hash
                )
            ).one_or_none()
        if row is None or row.revoked_at is not None or row.expires_at <= now:
            raise NotBoundError("no binding")
        subject: bytes = row.subject
        self._known[token_hash] = (subject, min(now + self._remember_s, row.expires_at))
        while len(self._known) > self._limit:
            self._known.popitem(last=False)
        return subject

    def forget(self, subject: bytes) -> None:
        """Look the person's tokens up again from now on."""
        for token_hash, known in list(self._known.items()):
            if known[0] == subject:
                self._known.pop(token_hash, None)


def _text(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def _hash(secret: str) -> bytes:
    """Enough for secrets of 256 bits: nobody tries them out."""
    return hashlib.sha256(secret.encode()).digest()


def _digits(random: bytes) -> str:
    # 128 bits modulo a million: no digit is likelier than another by more than 2**-108.
    return f"{int.from_bytes(random, 'big') % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def _code_hash(pepper: bytes, request: str, code: str) -> bytes:
    """Six digits are quickly tried out, so this is keyed; and bound to the request."""
    message = associated("one-time code", [request, code])
    return hashlib.blake2b(message, key=pepper, digest_size=32).digest()
