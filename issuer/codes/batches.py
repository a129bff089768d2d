"""The codes of one request as one sealed row, and taking them back. Shell.

Which codes a person holds is known only under the person's key. Taking back unseals the batches
that may still be in use and marks each position; the same transaction stages one event a person.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from audit.events import Event, Kind
from issuer.codes.lists import due_at
from issuer.storage.core import Secrets
from issuer.storage.sealing import SEALED_MORE_BYTES, associated, seal, unseal, unwrap
from issuer.storage.store import Row, Store
from issuer.storage.tx import Tx
from verifier.claims import (
    KID_PLACE,
    PAPER_CODE_BYTES,
    PHONE_CODE_BYTES,
    Colour,
    ParsedCode,
    parse_code,
)
from verifier.statuslist import Status

__all__ = [
    "HEAD_COLUMNS", "BatchHead", "OpenBatch", "batches_open", "codes_by_key", "codes_digest",
    "codes_held", "codes_of", "find_batches", "insert_batches", "issued_event", "person_keys",
    "replacement_id", "request_id", "take_back", "take_back_batches",
]  # fmt: skip

HEAD_COLUMNS: Final = "event_id, subject, request_id, request_hash, colour, issued_at, exp"
_COLUMNS: Final = f"{HEAD_COLUMNS}, sealed"
_INSERT: Final = f"INSERT INTO code_batch ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_FIND: Final = f"SELECT {_COLUMNS}, taken_back FROM code_batch WHERE request_id {{keys}}"  # noqa: S608
_LIVE: Final = (
    f"SELECT {_COLUMNS} FROM code_batch"  # noqa: S608
    " WHERE subject {keys} AND exp > ? AND taken_back IS NULL"
)
_HELD: Final = (
    "SELECT subject, sum(CASE length(sealed)"  # noqa: S608 - our own numbers
    f" WHEN {SEALED_MORE_BYTES + PAPER_CODE_BYTES} THEN 1"
    f" ELSE (length(sealed) - {SEALED_MORE_BYTES}) / {PHONE_CODE_BYTES} END)"
    " FROM code_batch WHERE subject {keys} AND exp > ? GROUP BY subject"
)
_KEYS: Final = "SELECT subject, wrapped_key, created_at FROM subject WHERE subject {keys}"
_TAKEN: Final = "UPDATE code_batch SET taken_back = ? WHERE event_id = ? AND taken_back IS NULL"
_CHANGE: Final = (
    "INSERT INTO status_change (list_number, status_index, status, due_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (list_number, status_index) DO UPDATE SET status = excluded.status"
    " WHERE excluded.status = 1"
)
_ID_BYTES: Final = 16


def request_id(secrets: Secrets, subject: bytes, idempotency_key: str) -> bytes:
    """16 bytes under which the answer to a request is found again, so that it has one effect.

    Keyed, because what clients choose must neither collide nor be readable here. The log has an
    id of its own for the batch: a request may have to be answered anew, where a database was lost,
    and the log tells the two batches apart.
    """
    named = associated("batch", (subject, idempotency_key))
    return hashlib.blake2b(named, key=secrets.rows, digest_size=_ID_BYTES).digest()


def replacement_id(secrets: Secrets, request: bytes) -> bytes:
    """As `request_id`, of the batch whose codes take this one's place (`issuer.codes.reissue`).

    It follows from the old one, so that the old request leads to the new codes.
    """
    named = associated("replacement", (request,))
    return hashlib.blake2b(named, key=secrets.rows, digest_size=_ID_BYTES).digest()


def codes_digest(codes: Iterable[bytes], *, key: bytes) -> bytes:
    """32 bytes that bind a log entry to exactly these codes.

    Under the person's *key*, or a door that kept a code could look up in a stolen log whose it is.
    """
    return hashlib.blake2b(
        b"".join(codes), key=key, digest_size=32, person=b"celadon codes..."
    ).digest()


def person_keys(store: Store, secrets: Secrets, subjects: Sequence[bytes]) -> dict[bytes, bytes]:
    """The keys of these people. Erased and unknown ones are missing.

    Raises:
        SealError: A row was changed.
    """
    return {
        subject: unwrap(wrapped, kek=secrets.kek, subject=subject, created_at=created_at)
        for subject, wrapped, created_at in store.rows_of(_KEYS, subjects)
        if any(wrapped)
    }


class BatchHead(NamedTuple):
    """The open columns of a row of `code_batch`, in their order. The seal authenticates them."""

    event_id: bytes
    subject: bytes
    request_id: bytes
    request_hash: bytes
    colour: Colour
    issued_at: int
    exp: int

    def seal(self, codes: Sequence[bytes], *, key: bytes, nonce: bytes) -> Row:
        """The row that holds these codes, sealed under the person's *key*."""
        columns = (
            self.event_id, self.subject, self.request_id, self.request_hash, int(self.colour),
            self.issued_at, self.exp,
        )  # fmt: skip
        context = associated("code_batch", columns)
        return (*columns, seal(b"".join(codes), key=key, context=context, nonce=nonce))


def codes_by_key(codes: Sequence[bytes]) -> bytes:
    """Which key signed how many of these codes: kid and count, 6 bytes for each key."""
    kids = [code[KID_PLACE] for code in codes]
    if kids.count(kids[0]) == len(kids):
        return kids[0] + len(kids).to_bytes(2, "big")
    return b"".join(kid + count.to_bytes(2, "big") for kid, count in Counter(kids).items())


def issued_event(head: BatchHead, codes: Sequence[bytes], *, key: bytes) -> Event:
    """The log's record of a batch: how many codes, by which keys, and a digest of them."""
    return Event(
        head.event_id,
        Kind.CODES_ISSUED,
        head.issued_at,
        head.subject,
        {
            "exp": head.exp,
            "keys": codes_by_key(codes),
            "codes": len(codes),
            "colour": int(head.colour),
            "digest": codes_digest(codes, key=key),
        },
    )


def codes_of(row: Row, *, key: bytes) -> list[bytes]:
    """The codes of a row of `code_batch`.

    Raises:
        SealError: The row was changed, or belongs to another person.
    """
    *columns, sealed = row
    codes = unseal(sealed, key=key, context=associated("code_batch", columns))
    if len(codes) == PAPER_CODE_BYTES:
        return [codes]
    return [codes[i : i + PHONE_CODE_BYTES] for i in range(0, len(codes), PHONE_CODE_BYTES)]


def codes_held(store: Store, subjects: Sequence[bytes], *, now: int) -> Counter[bytes]:
    """How many codes each of these people has of batches that did not end, taken back or not."""
    return Counter(dict(store.rows_of(_HELD, subjects, (now,))))


def insert_batches(store: Store, rows: Sequence[Row]) -> None:
    store.many(_INSERT, rows)


def find_batches(store: Store, secrets: Secrets, requests: Sequence[bytes]) -> dict[bytes, Row]:
    """By `request_id`, the row that answers it: the newer one, where its codes were made anew."""
    found, anew = {}, {}
    for *row, taken_back in store.rows_of(_FIND, requests):
        request = row[2]
        found[request] = tuple(row)
        if taken_back is not None:
            anew[replacement_id(secrets, request)] = request
    if anew:
        for replacement, newer in find_batches(store, secrets, list(anew)).items():
            found[anew[replacement]] = newer
    return found


class OpenBatch(NamedTuple):
    """A batch that was not taken back, and those of its codes that are still good."""

    event_id: bytes
    subject: bytes
    codes: list[ParsedCode]


def batches_open(
    store: Store, secrets: Secrets, subjects: Sequence[bytes], *, now: int
) -> list[OpenBatch]:
    """All that was not taken back of what these people may still hold.

    Raises:
        SealError: A row was changed.
    """
    rows = store.rows_of(_LIVE, subjects, (now,))
    keys = person_keys(store, secrets, sorted({row[1] for row in rows}))
    return [
        OpenBatch(
            row[0],
            row[1],
            [code for code in map(parse_code, codes_of(row, key=keys[row[1]])) if code.exp > now],
        )
        for row in rows
        if row[1] in keys  # what an erased person still holds, nobody can tell any more
    ]


def take_back(tx: Tx, subjects: Sequence[bytes], status: Status) -> list[Event]:
    """Mark every code that these people may still hold. One event for each person who had one.

    Each becomes public at a moment of its own (`issuer.codes.lists.due_at`).

    Args:
        tx: The transaction.
        subjects: Whose codes.
        status: SUPERSEDED, or WITHDRAWN, which nothing overwrites.

    Raises:
        SealError: A row was changed: its codes cannot be told any more.
    """
    opened = batches_open(tx.store, tx.secrets, subjects, now=tx.now)
    return take_back_batches(tx, opened, status)


def take_back_batches(tx: Tx, opened: Iterable[OpenBatch], status: Status) -> list[Event]:
    """As `take_back`, but these batches only."""
    changes: list[tuple[int, int, int, int]] = []
    batches: dict[bytes, list[bytes]] = {}
    counts: Counter[bytes] = Counter()
    for event_id, subject, codes in opened:
        changes += [
            (
                code.list_number, code.status_index, int(status),
                due_at(tx.secrets, code.list_number, code.status_index, taken_back_at=tx.now),
            )
            for code in codes
        ]  # fmt: skip
        batches.setdefault(subject, []).append(event_id)
        counts[subject] += len(codes)
    events = [
        Event(
            tx.event_id(),
            Kind.CODES_TAKEN_BACK,
            tx.now,
            subject,
            {"codes": counts[subject], "status": int(status), "batches": b"".join(ids)},
        )
        for subject, ids in batches.items()
    ]
    tx.store.many(
        _TAKEN,
        [
            (event.event_id, batch)
            for event, ids in zip(events, batches.values(), strict=True)
            for batch in ids
        ],
    )
    tx.store.many(_CHANGE, changes)
    return events
