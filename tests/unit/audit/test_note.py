"""Signed notes, against published ones and against damage."""

import base64
import hashlib
from typing import Any

import pytest

from audit.errors import NoteError
from audit.tlog.note import (
    KeyType,
    NoteKey,
    cosign_line,
    parse_note,
    parse_vkey,
    sign_line,
    verify_note,
)
from keys.signer import SeedSigner
from tests.log_support import NOW, SIGNER
from tests.shared_vectors import read_json

NOTES = read_json("notes/signed_note.json")
TEXT = "a text\nof two lines\n"
KEY = NoteKey("log.example", SIGNER.public_key)
COSIGNER = NoteKey("log.example", SIGNER.public_key, KeyType.COSIGNATURE)


def note(*lines: str, text: str = TEXT) -> bytes:
    return f"{text}\n{''.join(lines)}".encode()


@pytest.mark.parametrize("case", NOTES["cases"], ids=lambda case: case["name"])
def test_verify_note_published_case_is_decided_as_published(case: dict[str, Any]) -> None:
    """Published notes are accepted with exactly the names stated, or refused."""
    keys = [parse_vkey(vkey) for vkey in case["vkeys"]]
    try:
        verified = verify_note(parse_note(base64.b64decode(case["note_b64"])), keys)
    except NoteError:
        assert case["expected"] == "reject"
    else:
        assert case["expected"] == "accept"
        assert [item.key.name for item in verified] == case["verified"]


def test_sign_line_gives_the_published_note() -> None:
    """Signing with the published private key gives the published bytes."""
    example = NOTES["signing_example"]
    _, _, name, _, key = example["skey"].split("+", 4)
    seed = base64.b64decode(key)[1:]
    signer = SeedSigner(seed)
    text = base64.b64decode(example["text_b64"]).decode()
    made = note(sign_line(text, NoteKey(name, signer.public_key), signer), text=text)
    assert made == base64.b64decode(example["note_b64"])


@pytest.mark.parametrize("case", NOTES["cases"], ids=lambda case: case["name"])
def test_parse_vkey_text_round_trips(case: dict[str, Any]) -> None:
    """A verifier key's text is the one text of that key."""
    for vkey in case["vkeys"]:
        assert parse_vkey(vkey).vkey() == vkey


NAME, KEY_ID, KEY_TEXT = KEY.vkey().split("+", 2)
DAMAGED_VKEYS = {
    "empty": "",
    "newline": f"{NAME}+{KEY_ID}+{KEY_TEXT}\n",
    "name-other": f"dog.example+{KEY_ID}+{KEY_TEXT}",
    "name-empty": f"+{KEY_ID}+{KEY_TEXT}",
    "name-space": f"log example+{KEY_ID}+{KEY_TEXT}",
    "id-other": f"{NAME}+00000000+{KEY_TEXT}",
    "id-not-hex": f"{NAME}+zzzzzzzz+{KEY_TEXT}",
    "id-upper": f"{NAME}+{KEY_ID.upper()}+{KEY_TEXT}",
    "id-missing": f"{NAME}+{KEY_TEXT}",
    "key-short": f"{NAME}+{KEY_ID}+{KEY_TEXT[:-4]}",
    "key-long": f"{NAME}+{KEY_ID}+{KEY_TEXT}AAAA",
    "key-empty": f"{NAME}+{KEY_ID}+",
}


@pytest.mark.parametrize("name", DAMAGED_VKEYS)
def test_parse_vkey_damaged_text_is_refused(name: str) -> None:
    """A verifier key with any other name, id, spelling or length is refused."""
    with pytest.raises(NoteError):
        parse_vkey(DAMAGED_VKEYS[name])


@pytest.mark.parametrize("key", [b"\x01" + bytes(32), b"\x02" + SIGNER.public_key, b"\x01"])
def test_parse_vkey_key_not_to_be_trusted_is_refused(key: bytes) -> None:
    """Points of small order, unknown types and short keys are refused with a right id, too."""
    body = b"log.example\n" + key
    key_id = hashlib.sha256(body).hexdigest()[:8]
    with pytest.raises(NoteError):
        parse_vkey(f"log.example+{key_id}+{base64.b64encode(key).decode()}")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u3000b", "a\nb"])
def test_note_key_name_that_a_line_cannot_carry_is_a_wrong_call(name: str) -> None:
    """A key's name has neither spaces of any kind nor plus signs."""
    with pytest.raises(ValueError, match="key name"):
        NoteKey(name, SIGNER.public_key)


def test_verify_note_cosignature_gives_its_time() -> None:
    """A cosignature says when, and the other type does not."""
    data = note(sign_line(TEXT, KEY, SIGNER), cosign_line(TEXT, COSIGNER, SIGNER, now=NOW))
    verified = verify_note(parse_note(data), [KEY, COSIGNER])
    assert [(item.key, item.time) for item in verified] == [(KEY, None), (COSIGNER, NOW)]


def test_verify_note_time_beyond_63_bits_is_refused() -> None:
    """A time that does not fit 63 bits is refused, signed or not."""
    data = note(cosign_line(TEXT, COSIGNER, SIGNER, now=2**63))
    with pytest.raises(NoteError, match="time is out of range"):
        verify_note(parse_note(data), [COSIGNER])


def test_verify_note_signature_of_one_type_is_none_of_the_other() -> None:
    """The two types are kept apart by key id and by what is signed."""
    plain, timed = sign_line(TEXT, KEY, SIGNER), cosign_line(TEXT, COSIGNER, SIGNER, now=NOW)
    for line, key in ((plain, COSIGNER), (timed, KEY)):
        with pytest.raises(NoteError, match="no known key"):
            verify_note(parse_note(note(line)), [key])


def test_verify_note_same_line_twice_counts_once() -> None:
    """C94: whoever signs twice is one signer."""
    line = sign_line(TEXT, KEY, SIGNER)
    assert len(verify_note(parse_note(note(line, line)), [KEY])) == 1


def test_verify_note_bad_line_of_a_known_key_refuses_the_whole_note() -> None:
    """A signature that a known key did not make is an attack, whatever else is there."""
    other = SeedSigner(b"\x05" * 32)
    second = NoteKey("other.example", other.public_key)
    bad = sign_line("another text\n", second, other)
    with pytest.raises(NoteError, match="does not verify"):
        verify_note(parse_note(note(sign_line(TEXT, KEY, SIGNER), bad)), [KEY, second])


def test_parse_note_too_long_is_refused_unread() -> None:
    """A note has at most a million bytes."""
    with pytest.raises(NoteError, match="1000001 bytes"):
        parse_note(b"\xff" * 1_000_001)
