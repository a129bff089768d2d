"""Notices: signed, in order, whole or not at all, with a reason for every line (C123)."""

import re
from dataclasses import replace

import pytest

from issuer.colour.evidence import Kind
from issuer.colour.notice import (
    EVIDENCE_TYP,
    MAX_LINES,
    Entry,
    Notice,
    Retraction,
    sign_notice,
    verify_notice,
)
from issuer.errors import NoticeError
from keys import cbor
from keys.cose import sign_sign1
from keys.signer import SeedSigner
from tests.evidence_support import NOW, QINGYUN, lives, record

LAB = SeedSigner(bytes(31) + b"\x01")
OTHER_LAB = SeedSigner(bytes(31) + b"\x02")
KID = LAB.kid.hex()
PERSON, OTHER = bytes(15) + b"\x01", bytes(15) + b"\x02"


def _of_lab(record_kind: Kind, value: str | None = None, place: str = "") -> Entry:
    one = record(record_kind, value, place=place)
    return Entry(PERSON, replace(one, source=KID, origin_region="230000", recorded_at=NOW))


ENTRIES = (
    _of_lab(Kind.RESULT, "positive"),
    _of_lab(Kind.ARRIVAL, place=QINGYUN),
    Entry(OTHER, replace(lives(until=NOW), source=KID, origin_region="230000", recorded_at=NOW)),
)
TAKEN_BACK = Retraction(PERSON, bytes(15) + b"\x09", KID, NOW)
NOTICE = Notice(1, NOW, "230000", KID, ENTRIES, (TAKEN_BACK,))
LINE = f"{PERSON.hex()} {bytes(16).hex()} result {NOW} - - negative\n"


def signed(text: object, *, signer: SeedSigner = LAB, number: object = 1) -> bytes:
    payload = cbor.encode({1: number, 2: NOW, 3: "230000", 4: text})
    return sign_sign1(payload, signer, typ=EVIDENCE_TYP)


def refused(data: bytes, *, after: int = 0) -> NoticeError:
    with pytest.raises(NoticeError) as caught:
        verify_notice(data, LAB.public_key, after=after)
    return caught.value


def test_notice_signed_and_verified_is_the_same() -> None:
    """What the source signed is what arrives: records, persons, retractions."""
    assert verify_notice(sign_notice(NOTICE, LAB), LAB.public_key, after=0) == NOTICE


def test_notice_unsigned_is_refused() -> None:
    """Bare lines, or a bare payload, are no notice."""
    refused(LINE.encode())
    refused(cbor.encode({1: 1, 2: NOW, 3: "230000", 4: LINE}))


def test_notice_of_the_wrong_lab_is_refused() -> None:
    """A notice counts only under the key of the source that it is taken from."""
    refused(signed(LINE, signer=OTHER_LAB))


def test_notice_of_another_type_is_refused() -> None:
    """What a key signed as something else is no evidence."""
    payload = cbor.encode({1: 1, 2: NOW, 3: "230000", 4: LINE})
    refused(sign_sign1(payload, LAB, typ="application/celadon-rules+cbor"))
    refused(sign_sign1(payload, LAB, typ=None))


def test_notice_replayed_or_out_of_order_is_refused() -> None:
    """Every number is taken once, and none is skipped."""
    data = sign_notice(replace(NOTICE, number=5), LAB)
    assert verify_notice(data, LAB.public_key, after=4).number == 5
    assert "taken before" in str(refused(data, after=5))
    assert "3 is missing" in str(refused(data, after=2))


def test_notice_cut_anywhere_is_refused() -> None:
    """Half a file is no file."""
    data = sign_notice(NOTICE, LAB)
    for length in range(len(data)):
        refused(data[:length])


def test_notice_any_byte_flipped_is_refused() -> None:
    """No byte can change on the way."""
    data = sign_notice(NOTICE, LAB)
    for index in range(len(data)):
        refused(data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :])


BAD_LINES = {
    "bom": "\ufeff" + LINE,
    "crlf": LINE.replace("\n", "\r\n"),
    "empty-line": "\n",
    "two-spaces": LINE.replace(" result", "  result"),
    "tab": LINE.replace(" result", "\tresult"),
    "chinese": LINE.replace("result", "结果"),
    "unknown-kind": LINE.replace("result", "sleep"),
    "unknown-value": LINE.replace("negative", "maybe"),
    "time-signed": LINE.replace(str(NOW), f"+{NOW}"),
    "time-padded": LINE.replace(str(NOW), f"0{NOW}"),
    "time-underscore": LINE.replace(str(NOW), "1_607_911_200"),
    "time-long": LINE.replace(str(NOW), "9" * 5000),
    "time-iso": LINE.replace(str(NOW), "2020-12-14T10:00:00Z"),
    "id-upper": LINE.replace(bytes(16).hex(), "AB" * 16),
    "id-short": LINE.replace(bytes(16).hex(), "00" * 15),
    "subject-text": LINE.replace(PERSON.hex(), "somebody"),
    "retraction-short": f"{PERSON.hex()} retracted\n",
    "control": LINE.replace("negative", "nega\x00tive"),
    "long": LINE.replace("negative", "n" * 300),
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_notice_one_bad_line_refuses_all_and_is_named(line: str) -> None:
    """One bad line among good ones: nothing is taken, and its number and reason are reported."""
    good = [LINE.replace("0" * 32, f"{n:032x}", 1) for n in (7, 8)]
    good = [text.replace(bytes(16).hex(), f"{n:032x}") for n, text in enumerate(good, start=10)]
    error = refused(signed(good[0] + line + good[1]))
    assert [number for number, _ in error.lines] == [2]
    assert all(reason for _, reason in error.lines)


def test_notice_reasons_never_repeat_what_a_line_says() -> None:
    """Reasons end up in logs, so they hold nothing of the person."""
    error = refused(signed(LINE.replace("negative", "secretword")))
    assert "secretword" not in str(error)
    assert PERSON.hex() not in str(error)


def test_notice_doubled_id_is_refused_at_its_second_line() -> None:
    """One id is one record."""
    error = refused(signed(LINE + LINE))
    assert error.lines == ((2, "the id stands on an earlier line as well"),)


@pytest.mark.parametrize("text", ["", LINE[:-1], LINE + LINE[:40]])
def test_notice_without_lines_or_without_an_end_is_refused(text: str) -> None:
    """The last line ends too, so that a cut before signing shows."""
    refused(signed(text))


def test_notice_too_many_lines_are_refused_before_they_are_read() -> None:
    """A million lines come as several notices; one too large is refused by its size."""
    assert "at most" in str(refused(signed("x\n" * (MAX_LINES + 1))))
    assert "bytes" in str(refused(signed(LINE * 1_000_000)))


@pytest.mark.parametrize(
    "payload",
    [
        {1: 1, 2: NOW, 3: "230000"},
        {1: 1, 2: NOW, 3: "230000", 4: LINE, 5: 1},
        {1: True, 2: NOW, 3: "230000", 4: LINE},
        {1: 1, 2: True, 3: "230000", 4: LINE},
        {1: 1, 2: 0, 3: "230000", 4: LINE},
        {1: 1, 2: NOW, 3: 230000, 4: LINE},
        {1: 1, 2: NOW, 3: "230000", 4: LINE.encode()},
        {1: 1, 2: NOW, 3: "990000", 4: LINE},
        [1, NOW, "230000", LINE],
    ],
)
def test_notice_payload_of_another_shape_is_refused(payload: object) -> None:
    """Exactly four members, each of its type."""
    refused(sign_sign1(cbor.encode(payload), LAB, typ=EVIDENCE_TYP))


def test_notice_text_that_is_no_utf8_is_refused() -> None:
    """Another charset inside the signature is refused like anything else."""
    bad = signed("X" * 8).replace(b"X" * 8, b"\xbd\xe1\xb9\xfb\xd2\xf5\xd0\xd4")
    payload = bytes.fromhex("a401010 21a".replace(" ", "")) + NOW.to_bytes(4, "big")
    payload += b"\x03\x66230000\x04\x64\xbd\xe1\xb9\xfb"
    refused(bad)
    refused(sign_sign1(payload, LAB, typ=EVIDENCE_TYP))


def test_sign_notice_that_would_not_be_taken_is_an_error_of_the_caller() -> None:
    """Nobody signs what nobody accepts."""
    with pytest.raises(ValueError, match="another source"):
        sign_notice(NOTICE, OTHER_LAB)
    foreign = replace(NOTICE, entries=(replace(ENTRIES[0], record=record(Kind.CONTACT)),))
    with pytest.raises(ValueError, match="not those of this notice"):
        sign_notice(foreign, LAB)


def test_notice_reasons_are_bounded() -> None:
    """A notice that is wrong throughout does not fill the log."""
    error = refused(signed("x\n" * 5000))
    assert len(error.lines) == 100
    assert re.match("5000 of 5000 lines", str(error))
