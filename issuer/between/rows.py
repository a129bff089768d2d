"""The rows of the tables between regions, each authenticated as a whole. Shell.

A row is read with its tag checked, and written as a whole: nothing here is changed by a column.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Table

from issuer.errors import IntegrityError
from issuer.models import (
    region_appeal,
    region_evidence,
    region_inbox,
    region_outbox,
    region_waiting,
)
from issuer.storage.core import Secrets
from issuer.storage.sealing import mac
from issuer.storage.store import Store
from issuer.storage.tx import Tx

__all__ = ["TABLES", "AppealRow", "Held", "Sent", "ToldRow", "WaitingRow", "put", "read"]

#: All of them, for the replay.
TABLES: Final[tuple[Table, ...]] = (
    region_appeal,
    region_evidence,
    region_inbox,
    region_outbox,
    region_waiting,
)


class Sent(NamedTuple):
    """A row of `region_outbox`."""

    message_id: bytes
    receiver: str
    number: int
    made_at: int
    envelope: bytes | None
    tries: int
    next_try: int | None
    receipt: bytes | None


class Held(NamedTuple):
    """A row of `region_inbox`."""

    digest: bytes
    sender: str
    number: int
    received_at: int
    receipt: bytes
    envelope: bytes | None


class ToldRow(NamedTuple):
    """A row of `region_evidence`."""

    evidence_id: bytes
    region: str
    subject: bytes | None
    record: bytes | None
    told_at: int


class WaitingRow(NamedTuple):
    """A row of `region_waiting`."""

    entry: bytes
    evidence_id: bytes
    sender: str
    sealed: bytes
    expires_at: int


class AppealRow(NamedTuple):
    """A row of `region_appeal`. *subject* None: theirs, about evidence of ours."""

    appeal_id: bytes
    subject: bytes | None
    region: str
    ground: str
    evidence_ids: bytes  # joined, 16 bytes each
    filed_at: int
    deadline: int
    state: str

    def ids(self) -> tuple[bytes, ...]:
        return tuple(self.evidence_ids[i : i + 16] for i in range(0, len(self.evidence_ids), 16))


_TABLE_OF: Final[dict[type[Any], Table]] = {
    Sent: region_outbox,
    Held: region_inbox,
    ToldRow: region_evidence,
    WaitingRow: region_waiting,
    AppealRow: region_appeal,
}

RowT = TypeVar("RowT", Sent, Held, ToldRow, WaitingRow, AppealRow)


def put(tx: Tx, rows: Iterable[RowT]) -> None:
    """Write rows of one kind, in the place of those with their keys."""
    found = list(rows)
    if found:
        table = _TABLE_OF[type(found[0])]
        tx.store.many(_upsert(table), [_tagged(tx.secrets, table, row) for row in found])


def read(
    store: Store, secrets: Secrets, kind: Callable[..., RowT], where: str, values: Iterable[object]
) -> list[RowT]:
    """Rows of one kind. *where* is SQL of ours, with a mark for each of *values*.

    Raises:
        IntegrityError: One of them is not as the issuer wrote it.
    """
    table = _TABLE_OF[kind]  # type: ignore[index] # the key is the class
    rows = []
    for *columns, tag in store.rows(f"{_select(table)} {where}", tuple(values)):
        if mac(secrets.rows, table.name, columns) != tag:
            raise IntegrityError(f"a row of {table.name} was changed")
        rows.append(kind(*columns))
    return rows


def _tagged(secrets: Secrets, table: Table, row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*row, mac(secrets.rows, table.name, row))


@lru_cache(maxsize=16)
def _select(table: Table) -> str:
    return f"SELECT {_names(table)} FROM {table.name}"  # noqa: S608 - names of our own models


@lru_cache(maxsize=16)
def _upsert(table: Table) -> str:
    keys = ", ".join(column.name for column in table.primary_key)
    marks = ", ".join("?" for _ in table.columns)
    values = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if not c.primary_key)
    return (
        f"INSERT INTO {table.name} ({_names(table)}) VALUES ({marks})"  # noqa: S608 - same
        f" ON CONFLICT ({keys}) DO UPDATE SET {values}"
    )


def _names(table: Table) -> str:
    return ", ".join(column.name for column in table.columns)
