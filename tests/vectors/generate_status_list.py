"""Writes tests/vectors/status-list/: one status list in each folder, with one defect or none.

python -m tests.vectors.generate_status_list
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import cbor2

from keys.cose import MessageSigner, sign_sign1
from tests.cbor_support import byte_string, envelope, sig_structure
from tests.code_support import DAY_S, HEILONGJIANG, NOW, SHAANXI, paper_code, signer
from tests.vectors.cases import Case, files, replace_folder
from verifier.claims import HOUR_S
from verifier.statuslist import MAX_ENTRIES, SNAPSHOT_TYP, STATUS_LIST_TYP

__all__ = ["cases"]

SUB, EXP, IAT, LIST, TTL = 2, 4, 6, 65533, 65534
PACKED: Final = bytes((0b10_01_00_00, *bytes(255)))  # entry 2 withdrawn, entry 3 superseded


@dataclass(frozen=True, slots=True)
class Vector:
    """One case: a list that is offered to a verifier of the plain world."""

    name: str
    about: str
    expect: str
    token: bytes
    held: bytes | None = None
    now: int = NOW
    step: int | None = None

    def case(self) -> Case:
        """Its folder."""
        before = {} if self.held is None else {"held.cwt": self.held}
        stays = "list.cwt" if self.expect == "accepted" else next(iter(before), None)
        return Case(
            "status-list",
            self.name,
            self.about,
            {"result": self.expect, "holds": stays},
            {"list.cwt": self.token, **before},
            {"now": self.now, "world": "../../worlds/plain"},
            self.step,
        )


def claims(**changed: object) -> dict[object, object]:
    """The claims of a good list, in deterministic order, with some of them changed."""
    members = {
        "sub": SHAANXI.uri(1),
        "exp": NOW + DAY_S,
        "iat": NOW - HOUR_S,
        "list": {"bits": 2, "lst": zlib.compress(PACKED, 9)},
        "ttl": HOUR_S,
        **changed,
    }
    labels = {"sub": SUB, "exp": EXP, "iat": IAT, "list": LIST, "ttl": TTL}
    return {labels[name]: value for name, value in members.items() if value is not None}


def list_of(packed: bytes, *, bits: object = 2, lst: bytes | None = None) -> dict[str, object]:
    # "lst" is the shorter key, so it comes first in deterministic order.
    return {"lst": zlib.compress(packed, 9) if lst is None else lst, "bits": bits}


def signed(
    members: object, *, by: MessageSigner | None = None, typ: str | None = STATUS_LIST_TYP
) -> bytes:
    return sign_sign1(cbor2.dumps(members), by or SHAANXI.status_signer, typ=typ)


def good(packed: bytes = PACKED, **changed: object) -> bytes:
    return signed(claims(list=list_of(packed), **changed))


def _accepted(name: str, about: str, token: bytes, *, held: bytes | None = None) -> Vector:
    return Vector(name, about, "accepted", token, held)


def _refused(
    name: str, about: str, error: str, token: bytes, *, held: bytes | None = None
) -> Vector:
    named = f"StatusList{error}Error"
    return Vector(name, about, named, token, held)


def vectors() -> Iterator[Vector]:
    """Every vector."""
    yield from _good()
    yield from _at_step(1, _envelopes())
    yield from _at_step(7, _streams())
    yield from _at_step(4, _claims())
    yield from _at_step(2, _signers())
    yield from _at_step(13, _successions())


#: Errors that one step alone can give, and names of lists for which another errs than their group.
_STEP_OF_ERROR: Final = {"StatusListExpiredError": 8, "StatusListRollbackError": 11}
_STEP_OF_NAME: Final = {
    "C090-shorter": 12,
    "C090-other-width": 12,
    "C090-other-width-all-valid": 12,
    "C090-another-list": 10,
    "signature-flipped": 3,
    "signer-too-early": 5,
    "signer-early": 5,
    "signer-too-late": 9,
    "signer-ended": 9,
}


def _at_step(step: int, made: Iterator[Vector]) -> Iterator[Vector]:
    """Those that are refused, with the step that does it: *step* or another that is known."""
    for vector in made:
        known = _STEP_OF_NAME.get(vector.name, _STEP_OF_ERROR.get(vector.expect, step))
        if vector.expect == "StatusListScopeError" and vector.held is None:
            known = 6
        yield vector if vector.expect == "accepted" else replace(vector, step=known)


def _good() -> Iterator[Vector]:
    yield _accepted("good", "1,024 entries.", good())
    other_order = signed(
        {
            SUB: SHAANXI.uri(1),
            IAT: NOW - HOUR_S,
            EXP: NOW + DAY_S,
            TTL: HOUR_S,
            LIST: {"bits": 2, "lst": zlib.compress(PACKED, 9)},
        }
    )
    yield _accepted("good-other-key-order", "As the draft's examples are.", other_order)
    for bits in (1, 4, 8):
        wide = signed(claims(list=list_of(PACKED, bits=bits)))
        yield _accepted(f"good-bits-{bits}", "Another width of the draft.", wide)
    other_level = signed(claims(list=list_of(PACKED, lst=zlib.compress(PACKED, 0))))
    yield _accepted("good-stored", "Not compressed at all.", other_level)
    largest = good(bytes(MAX_ENTRIES // 4))
    yield _accepted("good-largest", "2^20 entries.", largest)
    last = good(sub=SHAANXI.uri(SHAANXI.last_list))
    yield _accepted("good-last-number", "The last list that is Shaanxi's.", last)
    first = good(iat=NOW - 7 * DAY_S)
    yield _accepted("good-signer-first-second", "Issued as its key's time began.", first)
    until = good(exp=NOW * 2)
    in_force = _accepted("good-signer-last-second", "The last second of its key's time.", until)
    yield replace(in_force, now=NOW + 30 * DAY_S - 1)


def _envelopes() -> Iterator[Vector]:
    code = paper_code()
    yield _refused("C046-code-as-status-list", "A code.", "Format", code)
    snapshot = signed(claims(), typ=SNAPSHOT_TYP)
    yield _refused("C046-other-typ", "The typ of a snapshot.", "Format", snapshot)
    yield _refused("C046-no-typ", "No typ.", "Format", signed(claims(), typ=None))
    yield _refused("untagged", "No tag 18.", "Format", good()[1:])
    yield _refused("tag-17", "The tag of COSE_Mac0.", "Format", b"\xd1" + good()[1:])
    yield _refused(
        "cwt-tag", "Tag 61 in front: the draft forbids it.", "Format", b"\xd8\x3d" + good()
    )
    yield _refused("trailing-byte", "One byte behind.", "Format", good() + b"\0")
    yield _refused("empty", "Nothing.", "Format", b"")
    payload = cbor2.dumps(claims())
    header = cbor2.dumps({1: -7, 4: SHAANXI.status_signer.kid, 16: STATUS_LIST_TYP})
    signature = SHAANXI.status_signer.sign(sig_structure(header, payload))
    es256 = envelope(header, b"\xa0", payload, signature)
    yield _refused("alg-es256", "Another algorithm.", "Format", es256)
    header = cbor2.dumps({1: -8, 16: STATUS_LIST_TYP})
    signature = SHAANXI.status_signer.sign(sig_structure(header, payload))
    unprotected = b"\xa1\x04" + byte_string(SHAANXI.status_signer.kid)
    outside = envelope(header, unprotected, payload, signature)
    yield _refused("kid-unprotected", "kid outside.", "Format", outside)
    yield from _parts()


def _parts() -> Iterator[Vector]:
    """A good list whose envelope has other parts."""
    header, _, payload, signature = cbor2.loads(good()[1:])
    for name, about, parts in (
        ("unprotected-kid", "The kid a second time, outside.", [header, {4: b"kid1"}, payload]),
        ("unprotected-null", "No map outside.", [header, None, payload]),
        ("protected-text", "A header that is text.", [header.decode("latin-1"), {}, payload]),
        ("payload-text", "A payload that is text.", [header, {}, "payload"]),
    ):
        yield _refused(name, about, "Format", b"\xd2" + cbor2.dumps([*parts, signature]))
    good_parts = [header, {}, payload]
    for size in (63, 65):
        sized = cbor2.dumps([*good_parts, (signature + b"\0")[:size]])
        yield _refused(f"signature-{size}", f"{size} bytes.", "Format", b"\xd2" + sized)
    five = cbor2.dumps([*good_parts, signature, b""])
    yield _refused("five-parts", "Something behind the signature.", "Format", b"\xd2" + five)


def _streams() -> Iterator[Vector]:
    def stream(name: str, about: str, lst: bytes) -> Vector:
        token = signed(claims(list=list_of(PACKED, lst=lst)))
        return _refused(name, about, "Format", token)

    packed = zlib.compress(PACKED, 9)
    bomb = zlib.compress(bytes(64 * 2**20), 9)
    yield stream("C083-bomb", "64 MiB of zeros in 64 KiB.", bomb)
    one_more = zlib.compress(bytes(MAX_ENTRIES // 4 + 1), 9)
    yield stream("C083-one-byte-too-many", "2^20 entries and four more.", one_more)
    yield stream("C084-trailing-data", "A byte behind the stream.", packed + b"\0")
    yield stream("C084-two-streams", "Two streams.", packed + packed)
    yield stream("C084-truncated", "The checksum is missing.", packed[:-4])
    yield stream("C084-truncated-in-data", "Half a stream.", packed[: len(packed) // 2])
    yield stream("C084-checksum", "A wrong checksum.", packed[:-1] + bytes((packed[-1] ^ 1,)))
    with_dictionary = zlib.compressobj(9, zdict=b"celadon")
    preset = with_dictionary.compress(PACKED) + with_dictionary.flush()
    yield stream("C084-preset-dictionary", "Needs a dictionary.", preset)
    for name, wbits in {"raw-deflate": -15, "gzip": 31}.items():
        other = zlib.compressobj(9, wbits=wbits)
        yield stream(f"C084-{name}", "Not zlib.", other.compress(PACKED) + other.flush())
    yield stream("C084-empty-stream", "No entries.", zlib.compress(b""))
    yield stream("C084-no-bytes", "No stream.", b"")


def _claims() -> Iterator[Vector]:
    def wrong(name: str, about: str, **changed: object) -> Vector:
        return _refused(name, about, "Format", signed(claims(**changed)))

    for bits in (0, 3, 16, -1, True, 2.0, "2", None):
        width = list_of(PACKED, bits=bits)
        yield wrong(f"C085-bits-{bits}".lower(), "No such width.", list=width)
    for name, ttl in {"0": 0, "negative": -1, "float": 3600.0, "true": True}.items():
        yield wrong(f"C087-ttl-{name}", "No such time to live.", ttl=ttl)
    yield wrong("C087-ttl-missing", "No time to live.", ttl=None)
    forever = signed(claims(ttl=100 * 365 * DAY_S))
    yield _accepted("C087-ttl-100-years", "Read as 24 h.", forever)
    for name in ("sub", "exp", "iat", "list"):
        yield wrong(f"{name}-missing", "A claim is missing.", **{name: None})
    yield wrong("iat-after-exp", "It ends before it begins.", iat=NOW + 2 * DAY_S)
    yield wrong("iat-at-exp", "It ends as it begins.", iat=NOW + DAY_S)
    yield wrong("iat-negative", "Before 1970.", iat=-1)
    yield wrong("sub-bytes", "An address that is no text.", sub=SHAANXI.uri(1).encode())
    as_text = list_of(PACKED)
    yield wrong("lst-text", "A stream that is text.", list={**as_text, "lst": "x"})
    yield wrong("list-array", "Not a map.", list=[2, as_text["lst"]])
    yield _refused("claims-array", "Not a map.", "Format", signed([1, 2, 3]))
    now = good(iat=NOW)
    yield _accepted("good-iat-now", "Issued in this second.", now)
    yield wrong("exp-float", "A date that is no integer.", exp=float(NOW + DAY_S))
    extra = signed({**claims(), 65000: 0})
    yield _refused("extra-claim", "A closed profile.", "Format", extra)
    aggregation = {**list_of(PACKED), "aggregation_uri": "https://a.example/"}
    yield wrong("extra-in-list", "A closed profile.", list=aggregation)
    twice = cbor2.dumps(claims())
    doubled = sign_sign1(
        b"\xa6" + twice[1:] + cbor2.dumps(TTL) + b"\0", SHAANXI.status_signer, typ=STATUS_LIST_TYP
    )
    yield _refused("C016-ttl-twice", "A label twice.", "Format", doubled)
    ended = good(iat=NOW - DAY_S, exp=NOW)
    yield _refused("ended", "Until this second.", "Expired", ended)
    future = good(iat=NOW + 1)
    yield _refused("C087-iat-in-the-future", "From the next second.", "Expired", future)
    for name, sub in {
        "other-list": HEILONGJIANG.uri(1),
        "other-issuer": HEILONGJIANG.uri(HEILONGJIANG.first_list),
        "next-number": SHAANXI.uri(SHAANXI.last_list + 1),
        "foreign-number": SHAANXI.uri(HEILONGJIANG.first_list),
        "leading-zero": SHAANXI.status_base + "01.cwt",
        "no-number": SHAANXI.status_base + ".cwt",
        "sign": SHAANXI.status_base + "+1.cwt",
        "arabic-digit": SHAANXI.status_base + "\u0661.cwt",
        "other-suffix": SHAANXI.status_base + "1.cbor",
        "query": SHAANXI.uri(1) + "?",
        "http": SHAANXI.uri(1).replace("https", "http"),
        "huge-number": SHAANXI.status_base + "9" * 5000 + ".cwt",
    }.items():
        token = signed(claims(sub=sub))
        yield _refused(f"C086-sub-{name}", "Not the address of a list of Shaanxi.", "Scope", token)


def _signers() -> Iterator[Vector]:
    for name, by in {
        "stranger": signer("stranger"),
        "code-key": SHAANXI.code_signer,
        "evidence-key": signer("610000 evidence"),
    }.items():
        token = signed(claims(), by=by)
        yield _refused(f"signer-{name}", "Not a status key.", "Signer", token)
    other = signed(claims(), by=HEILONGJIANG.status_signer)
    yield _refused("C086-signer-other-issuer", "B signs a list of A.", "Scope", other)
    flipped = bytearray(good())
    flipped[-1] ^= 1
    yield _refused("signature-flipped", "One bit.", "Signer", bytes(flipped))
    before_the_window = good(iat=NOW - 60 * DAY_S)
    about = "Signed before the key's time began."
    yield _refused("signer-too-early", about, "Signer", before_the_window)
    expired = _refused("signer-too-late", "The key's time is over.", "Signer", good(exp=NOW * 2))
    yield replace(expired, now=NOW + 60 * DAY_S)
    at_end = _refused("signer-ended", "Until this second.", "Signer", good(exp=NOW * 2))
    yield replace(at_end, now=NOW + 30 * DAY_S)
    about = "A second before the key's time began."
    yield _refused("signer-early", about, "Signer", good(iat=NOW - 7 * DAY_S - 1))


def _successions() -> Iterator[Vector]:
    held = good()
    newer: dict[str, Any] = {"iat": NOW - HOUR_S + 1}

    def entries(*values: int) -> bytes:
        first = sum(value << 2 * place for place, value in enumerate(values))
        return bytes((first, *bytes(255)))

    yield _accepted("next-same-bytes", "The same list again.", held, held=held)
    yield _accepted("next-nothing-new", "Newer, the same entries.", good(**newer), held=held)
    more = good(entries(1, 2, 1, 2), **newer)
    yield _accepted("next-more-taken-back", "More entries taken back.", more, held=held)
    worse = good(entries(0, 0, 1, 1), **newer)
    yield _accepted("next-superseded-then-withdrawn", "From 2 to 1.", worse, held=held)
    longer = good(entries(0, 0, 1, 2) + bytes(256), **newer)
    yield _accepted("next-longer", "More entries.", longer, held=held)
    older = good(iat=NOW - HOUR_S - 1)
    yield _refused("C087-older", "Older than the one held.", "Rollback", older, held=held)
    same_time = good(entries(1, 0, 1, 2))
    about = "Another list of the same second."
    yield _refused("C087-same-time", about, "Rollback", same_time, held=held)
    for name, values in {
        "withdrawn-cleared": (0, 0, 0, 2),
        "withdrawn-superseded": (0, 0, 2, 2),
        "withdrawn-unknown": (0, 0, 3, 2),
        "superseded-cleared": (0, 0, 1, 0),
    }.items():
        token = good(entries(*values), **newer)
        about = "An entry that was taken back comes to life."
        yield _refused(f"C090-{name}", about, "Cleared", token, held=held)
    shorter = good(entries(0, 0, 1, 2)[:128], **newer)
    yield _refused("C090-shorter", "The list shrinks.", "Cleared", shorter, held=held)
    narrower = signed(claims(list=list_of(PACKED, bits=1), **newer))
    yield _refused(
        "C090-other-width", "The same bytes read otherwise.", "Cleared", narrower, held=held
    )
    valid, same = bytes(256), signed(claims(list=list_of(bytes(256), bits=1), **newer))
    about = "Another width, and nothing was ever taken back."
    yield _refused("C090-other-width-all-valid", about, "Cleared", same, held=good(valid))
    one_bit = signed(claims(list=list_of(PACKED, bits=1)))
    one_more = signed(claims(list=list_of(b"\x91" + PACKED[1:], bits=1), **newer))
    yield _accepted("next-one-bit-wide", "Lists of one bit: one more.", one_more, held=one_bit)
    one_less = signed(claims(list=list_of(b"\x80" + PACKED[1:], bits=1), **newer))
    about = "Lists of one bit: one comes to life."
    yield _refused("C090-one-bit-wide", about, "Cleared", one_less, held=one_bit)
    wide = signed(claims(list=list_of(b"\x21" + PACKED[1:], bits=4)))
    worse = signed(claims(list=list_of(b"\x11" + PACKED[1:], bits=4), **newer))
    yield _accepted("next-four-bits-wide", "Lists of four bits: from 2 to 1.", worse, held=wide)
    better = signed(claims(list=list_of(b"\x22" + PACKED[1:], bits=4), **newer))
    about = "Lists of four bits: from 1 to 2."
    yield _refused("C090-four-bits-wide", about, "Cleared", better, held=wide)
    another = good(sub=SHAANXI.uri(2), **newer)
    yield _refused("C090-another-list", "List 2 for list 1.", "Scope", another, held=held)


def cases() -> Iterator[Case]:
    """Every case."""
    return (vector.case() for vector in vectors())


if __name__ == "__main__":
    replace_folder("status-list", files(cases()))
