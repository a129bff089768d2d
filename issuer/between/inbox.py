"""The inbox: a notice is held durably, then receipted, then has its effect in its turn. Shell.

The receipt is made before anybody looks whom the notice is about, so it is the same, after the
same time, for people whom we know and whom we do not.
"""

from typing import Final

from issuer.between.envelope import digest_of, sign_receipt
from issuer.between.message import Message
from issuer.between.reason import Reason
from issuer.between.rows import Held, put, read
from issuer.errors import RegionNoticeError
from issuer.storage.core import Secrets
from issuer.storage.store import Store
from issuer.storage.tx import Tx

__all__ = ["MAX_EARLY", "hold", "last_taken", "next_held", "taken"]

#: Notices of one sender that are held before they have their effect; more are asked for later.
MAX_EARLY: Final = 256

_BY_DIGEST: Final = "WHERE digest = ?"
_BY_NUMBER: Final = "WHERE sender = ? AND number = ?"
_LAST: Final = "WHERE sender = ? AND envelope IS NULL ORDER BY number DESC LIMIT 1"


def hold(tx: Tx, data: bytes, message: Message) -> bytes:
    """Hold an opened notice for its turn; its receipt. The same notice gets the same one.

    Raises:
        RegionNoticeError: Its number belongs to another notice, or is too far ahead.
    """
    head = message.head
    before = read(tx.store, tx.secrets, Held, _BY_DIGEST, (digest_of(data),))
    if before:
        return before[0].receipt
    last = last_taken(tx.store, tx.secrets, head.sender)
    if head.number <= last or read(
        tx.store, tx.secrets, Held, _BY_NUMBER, (head.sender, head.number)
    ):
        raise RegionNoticeError(
            Reason.NUMBER_TAKEN, f"number {head.number} came before; the last one taken is {last}"
        )
    if head.number > last + MAX_EARLY:
        raise RegionNoticeError(Reason.TOO_EARLY, f"number {head.number}, {last + 1} is missing")
    receipt = sign_receipt(data, tx.authority.evidence_key, now=tx.now)
    put(tx, [Held(digest_of(data), head.sender, head.number, tx.now, receipt, data)])
    return receipt


def last_taken(store: Store, secrets: Secrets, sender: str) -> int:
    """The number of the last notice of *sender* that had its effect; 0: none yet."""
    rows = read(store, secrets, Held, _LAST, (sender,))
    return rows[0].number if rows else 0


def next_held(store: Store, secrets: Secrets, sender: str) -> Held | None:
    """The notice of *sender* whose turn it is, if it is here."""
    after = last_taken(store, secrets, sender)
    rows = read(store, secrets, Held, _BY_NUMBER, (sender, after + 1))
    return rows[0] if rows else None


def taken(tx: Tx, held: Held) -> bool:
    """Note that *held* has its effect in this transaction; False: it had it before."""
    (row,) = read(tx.store, tx.secrets, Held, _BY_DIGEST, (held.digest,))
    if row.envelope is None:
        return False
    put(tx, [row._replace(envelope=None)])
    return True
