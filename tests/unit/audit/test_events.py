"""Events: the bytes that are committed to, both ways."""

import hashlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import EventError
from audit.events import (
    MAX_BODY_BYTES,
    Event,
    Kind,
    commitment,
    decode_event,
    encode_event,
    erasure_details,
)
from keys import cbor
from tests.log_support import NOW, an_event

PLAIN = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text() | st.binary()
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.builds(
    Event,
    event_id=st.binary(min_size=16, max_size=16),
    kind=st.sampled_from(Kind),
    at=st.integers(0, 2**40 - 1),
    subject=st.none() | st.binary(min_size=16, max_size=16),
    details=st.dictionaries(st.text(max_size=30), VALUES, max_size=5),
)
EVENT = an_event(7, subject=1)


def as_map(event: Event) -> dict[int, object]:
    return {1: event.event_id, 2: event.kind.value, 3: event.at, 4: event.subject,
            5: dict(event.details)}  # fmt: skip


@given(EVENTS)
def test_encode_event_any_event_is_deterministic_cbor_and_comes_back(event: Event) -> None:
    """The fast encoder writes what the strict one writes, and decoding gives the event again."""
    body = encode_event(event)
    assert body == cbor.encode(as_map(event))
    assert decode_event(body) == event


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", bytes(15)),
        ("event_id", bytes(17)),
        ("subject", bytes(15)),
        ("subject", b""),
        ("at", -1),
        ("at", 2**40),
        ("details", {"long": bytes(MAX_BODY_BYTES)}),
        ("details", {"wide": 2**53}),
    ],
)
def test_encode_event_field_out_of_bounds_is_a_wrong_call(field: str, value: object) -> None:
    """Ids of another size, impossible times and oversized bodies are never written."""
    event = Event(**{**EVENT._asdict(), field: value})
    with pytest.raises(ValueError, match=r"16 bytes|out of range|at most|53 bits"):
        encode_event(event)


@pytest.mark.parametrize("value", [1.5, {1, 2}, 1j, {"inner": 2.5}, [1.0]], ids=repr)
def test_encode_event_value_that_cbor_lacks_is_a_wrong_call(value: object) -> None:
    """A float or an object in the details is a bug of the caller."""
    with pytest.raises(TypeError):
        encode_event(Event(EVENT.event_id, EVENT.kind, NOW, None, {"value": value}))  # type: ignore[dict-item] # the point


MALFORMED = {
    "empty": b"",
    "trailing-byte": encode_event(EVENT) + b"\x00",
    "not-a-map": cbor.encode([1, 2, 3]),
    "part-missing": cbor.encode({k: v for k, v in as_map(EVENT).items() if k != 4}),
    "part-too-many": cbor.encode(as_map(EVENT) | {6: 0}),
    "unknown-kind": cbor.encode(as_map(EVENT) | {2: "code-seen"}),
    "kind-number": cbor.encode(as_map(EVENT) | {2: 1}),
    "short-id": cbor.encode(as_map(EVENT) | {1: bytes(15)}),
    "time-negative": cbor.encode(as_map(EVENT) | {3: -1}),
    "time-true": cbor.encode(as_map(EVENT) | {3: True}),
    "time-late": cbor.encode(as_map(EVENT) | {3: 2**40}),
    "subject-short": cbor.encode(as_map(EVENT) | {4: bytes(15)}),
    "subject-text": cbor.encode(as_map(EVENT) | {4: "x" * 16}),
    "details-list": cbor.encode(as_map(EVENT) | {5: []}),
    "details-number-key": cbor.encode(as_map(EVENT) | {5: {1: 2}}),
    "unsorted": cbor2.dumps(dict(reversed(as_map(EVENT).items()))),
    "tag": b"\xd8\x23" + encode_event(EVENT),
    "too-long": cbor.encode(as_map(EVENT) | {5: {"x": bytes(MAX_BODY_BYTES)}}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_decode_event_malformed_body_is_refused(name: str) -> None:
    """Whatever is not the one encoding of one of our events is refused."""
    with pytest.raises(EventError):
        decode_event(MALFORMED[name])


def test_decode_event_truncated_anywhere_is_refused() -> None:
    """C34: no beginning of a body is a body."""
    body = encode_event(EVENT)
    for end in range(len(body)):
        with pytest.raises(EventError):
            decode_event(body[:end])


def test_commitment_is_sha256_over_salt_and_body() -> None:
    """The formula of docs/spec/log.md; another salt gives another commitment."""
    assert commitment(b"s" * 16, b"body") == hashlib.sha256(b"s" * 16 + b"body").digest()
    assert commitment(b"t" * 16, b"body") != commitment(b"s" * 16, b"body")


def test_erasure_details_do_not_depend_on_order() -> None:
    """What is said of erased entries is one value, however they were found."""
    entries = [(5, bytes(16), "decided", NOW), (3, bytes(16), "bound", NOW)]
    assert erasure_details(entries) == erasure_details(entries[::-1])
    assert erasure_details(entries)["entries"] == [3, 5]
    assert erasure_details(entries) != erasure_details([entries[0]])
