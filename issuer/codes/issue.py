"""Issuing codes to many people in one transaction. Shell. Spec page: docs/spec/issuing.md.

Nothing here releases anything: `issuer.codes.issuing` does, once the transaction and then the log
are durable. A request that comes again under its idempotency key gets the same codes again.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from audit.events import Event
from issuer.codes.batches import (
    BatchHead,
    codes_held,
    codes_of,
    find_batches,
    insert_batches,
    issued_event,
    person_keys,
    request_id,
)
from issuer.codes.lists import day_of, take_positions
from issuer.codes.mint import expiries
from issuer.codes.pipeline import mint_checked
from issuer.codes.shards import take_signers
from issuer.colour.decisions import Cause, Decision, judge
from issuer.errors import (
    IdempotencyConflictError,
    IssuerEndedError,
    IssuerError,
    NoPersonError,
    TooManyCodesError,
)
from issuer.storage.sealing import NONCE_BYTES, associated
from issuer.storage.store import Row
from issuer.storage.tx import Done, Tx
from keys.ed25519 import PublicKey
from verifier.claims import LIFETIME_S, Claims, Colour, Cti, Medium

__all__ = [
    "MAX_CODES", "MAX_DAYS", "MAX_HELD", "CodeRequest", "Issued", "Planned", "Refused", "Result",
    "Withheld", "issue", "make",
]  # fmt: skip

MAX_CODES: Final = 32
MAX_DAYS: Final = 7
#: Codes of one person that did not end yet, taken back or not: twice what a phone may fetch in a
#: week of full batches, so a colour that changes leaves nobody without. Every code takes a position
#: for ever and a part of what a key may sign, from everybody.
MAX_HELD: Final = 512
MAX_KEY_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """Somebody wants codes.

    Attributes:
        subject: Who.
        idempotency_key: Chosen by the client, 1 to 64 characters; each person has their own.
        holder_keys: Fresh keys of the phone, one code for each; none: one paper code.
        days: Over so many days, from today, the phone's codes are spread evenly.
    """

    subject: bytes
    idempotency_key: str
    holder_keys: tuple[PublicKey, ...] = ()
    days: int = 1

    def __post_init__(self) -> None:
        if not 0 < len(self.idempotency_key) <= MAX_KEY_LENGTH:
            raise ValueError(f"an idempotency key has 1 to {MAX_KEY_LENGTH} characters")
        if len(set(self.holder_keys)) != len(self.holder_keys) or (
            len(self.holder_keys) > MAX_CODES
        ):
            raise ValueError(f"at most {MAX_CODES} holder keys, all different")
        if not 1 <= self.days <= min(MAX_DAYS, len(self.holder_keys) or 1):
            raise ValueError(f"codes for 1 to {MAX_DAYS} days, at least one a day")

    @property
    def medium(self) -> Medium:
        return Medium.PHONE if self.holder_keys else Medium.PAPER

    def digest(self, *, key: bytes) -> bytes:
        """16 bytes over all that was asked for, under the person's *key*.

        A door that kept a phone's public key could look up in a stolen table who asked for it.
        """
        asked = associated("request", (self.subject, self.days, *self.holder_keys))
        return hashlib.blake2b(asked, key=key, digest_size=16, person=b"celadon request.").digest()


@dataclass(frozen=True, slots=True)
class Issued:
    """Codes, all of one colour. *repeated*: an earlier request with this key had made them."""

    event_id: bytes
    colour: Colour
    codes: tuple[bytes, ...]
    repeated: bool


@dataclass(frozen=True, slots=True)
class Withheld:
    """No code, because the decision is pending; it says why and until when."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Refused:
    """No code, because something is wrong with the request or the person."""

    error: IssuerError


Result: TypeAlias = Issued | Withheld | Refused


class Planned(NamedTuple):
    """A batch to be made: what its codes will say, but for their positions."""

    request_id: bytes
    subject: bytes
    request_hash: bytes
    colour: Colour
    ends: list[tuple[int, PublicKey | None]]


def issue(tx: Tx, requests: Sequence[CodeRequest]) -> Done[list[Result]]:
    """Codes for each of *requests* in their order, or the reason why not.

    Raises:
        IssuerEndedError: The trust list says that another region issues them now.
        IssuerError: Something is wrong with one of them that spoils the transaction (a damaged
            row), or with all of them (no key, no list). Roll back; try them one by one.
    """
    _require_going_on(tx)
    ids = [request_id(tx.secrets, r.subject, r.idempotency_key) for r in requests]
    held = find_batches(tx.store, tx.secrets, list(dict.fromkeys(ids)))
    first = dict(zip(ids[::-1], requests[::-1], strict=True))
    fresh = {id_: first[id_] for id_ in ids if id_ not in held}  # who asked first comes first
    keys = person_keys(tx.store, tx.secrets, list({request.subject for request in requests}))
    people = [s for s in dict.fromkeys(r.subject for r in fresh.values()) if s in keys]
    judged = judge(tx, people, Cause.REQUEST)
    planned = _within_limit(tx, _plan(tx, fresh, judged.decisions, keys))
    made, events = make(tx, planned, keys)
    results = [
        _result(request, first[id_], held.get(id_), made.get(id_), keys, judged.decisions)
        for id_, request in zip(ids, requests, strict=True)
    ]
    repeated = [row[0] for row in held.values()]
    return Done(results, judged.events + events, repeated)


def _require_going_on(tx: Tx) -> None:
    """No code of an issuer that has ended, not even one made earlier: whoever asks learns whose."""
    ending = tx.authority.issuer.ending
    if ending is not None and tx.now >= ending.ends_at:
        raise IssuerEndedError(ending.successor)


def _plan(
    tx: Tx,
    fresh: dict[bytes, CodeRequest],
    decisions: dict[bytes, Decision],
    keys: dict[bytes, bytes],
) -> list[Planned]:
    """What to make for everybody who has a colour."""
    planned = []
    for id_, request in fresh.items():
        decision = decisions.get(request.subject)
        if decision is None or decision.colour is None:
            continue
        ends = _ends(request, decision.changes_at, now=tx.now)
        colour = Colour(decision.colour)
        asked = request.digest(key=keys[request.subject])
        planned.append(Planned(id_, request.subject, asked, colour, ends))
    return planned


def _within_limit(tx: Tx, planned: list[Planned]) -> list[Planned]:
    """Those with which nobody holds more than MAX_HELD codes."""
    held = codes_held(tx.store, list({plan.subject for plan in planned}), now=tx.now)
    within = []
    for plan in planned:
        if held[plan.subject] + len(plan.ends) <= MAX_HELD:
            held[plan.subject] += len(plan.ends)
            within.append(plan)
    return within


def _ends(
    request: CodeRequest, changes_at: int | None, *, now: int
) -> list[tuple[int, PublicKey | None]]:
    """When each code ends. No code for a day that begins when the colour is another already."""
    grid = expiries(request.medium, request.days, now=now)
    if not request.holder_keys:
        return [(grid[0], None)]
    count = len(request.holder_keys)
    ends = ((grid[i * request.days // count], key) for i, key in enumerate(request.holder_keys))
    lifetime_s = LIFETIME_S[request.medium]
    return [
        (exp, key)
        for exp, key in ends
        if exp == grid[0] or changes_at is None or exp - lifetime_s < changes_at
    ]


def make(
    tx: Tx, planned: list[Planned], keys: dict[bytes, bytes]
) -> tuple[dict[bytes, Issued], list[Event]]:
    """Take positions, sign, check as a verifier would, seal and insert.

    Raises:
        IssuerError: Something is wrong with all of them: no key, no list. Roll back.
    """
    if not planned:
        return {}, []
    free = take_positions(tx, Counter(day_of(exp) for plan in planned for exp, _ in plan.ends))
    claims = [
        Claims(exp, _next(free, exp), plan.colour, key)
        for plan in planned
        for exp, key in plan.ends
    ]
    codes = mint_checked(claims, take_signers(tx, claims), tx.authority, now=tx.now)
    ids, nonces = tx.event_ids(len(planned)), tx.randomness(NONCE_BYTES * len(planned))
    made: dict[bytes, Issued] = {}
    rows: list[Row] = []
    events: list[Event] = []
    start = 0
    for place, plan in enumerate(planned):
        own = tuple(codes[start : start + len(plan.ends)])
        start += len(own)
        head = BatchHead(
            ids[place], plan.subject, plan.request_id, plan.request_hash, plan.colour, tx.now,
            max(exp for exp, _ in plan.ends),
        )  # fmt: skip
        key, nonce = keys[head.subject], nonces[NONCE_BYTES * place : NONCE_BYTES * (place + 1)]
        rows.append(head.seal(own, key=key, nonce=nonce))
        events.append(issued_event(head, own, key=key))
        made[plan.request_id] = Issued(head.event_id, plan.colour, own, repeated=False)
    insert_batches(tx.store, rows)
    return made, events


def _next(free: dict[int, list[Cti]], exp: int) -> Cti:
    return free[day_of(exp)].pop()


def _result(  # noqa: PLR0913, PLR0917 # everything that one request may meet
    request: CodeRequest,
    first: CodeRequest,
    held: Row | None,
    made: Issued | None,
    keys: dict[bytes, bytes],
    decisions: dict[bytes, Decision],
) -> Result:
    key = keys.get(request.subject)
    if key is None:
        return Refused(NoPersonError("unknown or erased"))
    if held is not None:
        head = BatchHead(*held[:-1])
        if head.request_hash != request.digest(key=key):
            return Refused(IdempotencyConflictError("the key was used for another request"))
        codes = tuple(codes_of(held, key=key))
        return Issued(head.event_id, Colour(head.colour), codes, repeated=True)
    if request != first:
        return Refused(IdempotencyConflictError("the key was used for another request"))
    return _why_none(decisions[request.subject]) if made is None else made


def _why_none(decision: Decision) -> Withheld | Refused:
    if decision.colour is None:
        return Withheld(decision)
    return Refused(TooManyCodesError(f"this person holds {MAX_HELD} codes, or would"))
