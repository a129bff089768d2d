"""What each logged decision had to rest on, as far as the log and the records that are left tell.

Whoever writes into the database can add a record, wait until somebody is red, and take it away
again. Afterwards every row is right; only the decision in between rests on what was never recorded.
A record that was taken back is deleted, so what was decided on it cannot be computed again. But
what stands changes with an entry of the log, and never between two.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from audit.events import Event, Kind
from issuer.colour.evidence import Evidence, commitment
from issuer.colour.evidence_store import evidence_digest
from keys import cbor

__all__ = ["Ground", "grounds"]


class Ground(NamedTuple):
    """What a decision had to rest on.

    Attributes:
        commitment: To the records that stood then.
        records: They themselves; None: not all of them are left.
    """

    commitment: cbor.Value
    records: list[Evidence] | None


def grounds(
    events: Iterable[Event], records: Iterable[Evidence], restored: Sequence[int]
) -> Iterator[tuple[Event, Ground]]:
    """Every decision about one person, with its ground.

    Args:
        events: About this person, in the log's order.
        records: What is left of the person's evidence.
        restored: When the database came out of an older copy, in order. From then on it may hold
            less than the log had told of.
    """
    left = {(record.evidence_id, evidence_digest(record)): record for record in records}
    there: dict[cbor.Value, cbor.Value] = {}
    ground: Ground | None = None
    restorations = 0
    for event in events:
        before, restorations = restorations, bisect_right(restored, event.at)
        if before != restorations:
            ground = None
        if event.kind is Kind.EVIDENCE_RECORDED:
            there[event.details["id"]] = event.details["digest"]
            ground = None
        elif event.kind is Kind.EVIDENCE_RETRACTED:
            there.pop(event.details["id"], None)
            ground = None
        elif event.kind is Kind.DECIDED:
            if ground is None:
                computed = None if restorations else _computed(there, left)
                # Made in the change's own transaction: what the next ones rest on, too.
                ground = computed or Ground(event.details["evidence"], None)
            yield event, ground


def _computed(
    there: Mapping[cbor.Value, cbor.Value], left: Mapping[tuple[bytes, bytes], Evidence]
) -> Ground | None:
    """From ids and digests that the log tells of; None: one of the records is gone."""
    records = [record for name, record in left.items() if name in there.items()]
    return Ground(commitment(records), records) if len(records) == len(there) else None
