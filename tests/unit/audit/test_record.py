"""A person reads who read about her, at once, in two languages, with proofs that need nobody."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from audit.access import DenyReason, Field, Purpose, Role, own_record_request
from audit.errors import AuditError, CheckpointError, EventError, ProofError
from audit.events import Event, Kind
from audit.gate import Opened, Refused
from audit.record import FIELDS, PURPOSES, REASONS, ROLES, open_proof, own_record, parse_access
from audit.tlog.note import NoteKey
from audit.tlog.proof import encode_proof
from keys.signer import SeedSigner
from tests.access_support import CASE, GRANDMOTHER, HOSPITAL, NOW, a_grant, a_request
from tests.audit_support import ORIGIN, SIGNER, Door, open_door

OWN = own_record_request(GRANDMOTHER, frozenset({Field.ACCESS_RECORD}))
KEY = NoteKey(ORIGIN, SIGNER.public_key)


@pytest.fixture
def door(engine_url: str) -> Iterator[Door]:
    """A clerk looked the grandmother up, and was refused her phone number."""
    door = open_door(engine_url)
    door.gate.grant(a_grant(), now=NOW)
    fields = frozenset({Field.NAME, Field.COLOUR})
    assert isinstance(door.gate.open(a_request(fields=fields), door.load, now=NOW), Opened)
    phone = a_request(fields=frozenset({Field.PHONE}))
    assert isinstance(door.gate.open(phone, door.load, now=NOW), Refused)
    door.gate.open(a_request(subject=b"somebody-else---"), door.load, now=NOW)
    yield door
    door.engine.dispose()


def record_of(door: Door) -> tuple[Any, ...]:
    record = own_record(door.gate, door.log, GRANDMOTHER, now=NOW + 1)
    assert not isinstance(record, Refused)
    return record


def test_own_record_a_second_later_says_who_when_why_and_what(door: Door) -> None:
    """Reads, refusals and this very reading are there; another person's are not."""
    accesses = [access for access, _ in record_of(door)]
    assert [(a.at, a.role, a.refused) for a in accesses] == [
        (NOW, Role.DESK_CLERK, None),
        (NOW, Role.DESK_CLERK, DenyReason.FIELD),
        (NOW + 1, Role.PERSON, None),
    ]
    assert accesses[0].purpose is Purpose.HOSPITAL_LOOK_UP
    assert accesses[0].fields == (Field.COLOUR, Field.NAME)
    assert accesses[0].case == CASE


def test_own_record_in_both_languages_reads_as_a_sentence(door: Door) -> None:
    """Organisation, role, purpose and fields in the person's words, in the local time."""
    first, refused, own = (access for access, _ in record_of(door))
    assert first.zh() == (
        "2020-12-13 13:00  西安市第四医院（窗口工作人员）  目的：医院无健康码绿色通道查询"
        "  内容：健康码颜色、姓名  事由编号：GL-20201213-0042"
    )
    assert first.en() == (
        "2020-12-13 13:00  Xi'an No. 4 Hospital (desk clerk)  purpose: look-up in a hospital's "
        "no-code lane  fields: colour, name  case: GL-20201213-0042"
    )
    assert refused.zh().endswith("  已拒绝：授权不含这些内容")
    assert refused.en().endswith("  refused: the authorisation was not for these fields")
    assert own.zh() == "2020-12-13 13:00  本人  目的：查看本人记录  内容：访问记录"


def test_own_record_names_no_member_of_staff(door: Door) -> None:
    """Neither the lines nor the entries that their proofs open hold the clerk's name or number."""
    for access, proof in record_of(door):
        event = open_proof(proof, KEY)
        assert "clerk-17" not in f"{access} {access.zh()} {access.en()} {event}"


def test_own_record_of_a_refused_stranger_says_so(door: Door) -> None:
    """A read without any grant is shown as one by somebody unknown at the named organisation."""
    door.gate.open(a_request(principal="clerk-99"), door.load, now=NOW)
    stranger = [access for access, _ in record_of(door)][2]
    assert (stranger.role, stranger.refused) == (None, DenyReason.NO_GRANT)
    assert f"{HOSPITAL.id}（身份未知）" in stranger.zh()
    assert f"{HOSPITAL.id} (unknown)" in stranger.en()


def test_own_record_read_too_often_is_refused(door: Door) -> None:
    """A person's own reads have a limit as well, far beyond what anybody needs."""
    for _ in range(100):
        assert isinstance(door.gate.open(OWN, door.load, now=NOW), Opened)
    refused = own_record(door.gate, door.log, GRANDMOTHER, now=NOW)
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.QUOTA_CLERK


def test_own_record_proofs_verify_offline(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line's proof needs the log's public key and nothing else: no network, no database."""
    record = record_of(door)
    door.engine.dispose()
    monkeypatch.setattr(socket, "socket", None)
    for access, proof in record:
        assert parse_access(open_proof(proof, KEY)) == access


def test_open_proof_changed_anywhere_is_refused(door: Door) -> None:
    """No byte of a proof can change without being noticed, but in the signatures not asked for."""
    _, proof = record_of(door)[0]
    event = open_proof(proof, KEY)
    for position in range(len(proof)):
        changed = bytearray(proof)
        changed[position] ^= 1
        try:
            opened = open_proof(bytes(changed), KEY)
        except AuditError:
            continue
        # A second signature line, with the time, is there for those who ask for it.
        assert opened == event
        assert position > proof.rindex("\u2014".encode())


def test_open_proof_under_another_logs_key_is_refused(door: Door) -> None:
    """A proof is one of this log, not of any log."""
    _, proof = record_of(door)[0]
    with pytest.raises(CheckpointError):
        open_proof(proof, NoteKey(ORIGIN, SeedSigner(b"x" * 32).public_key))


def test_open_proof_that_opens_nothing_is_refused(door: Door) -> None:
    """A proof of inclusion alone does not say what was logged."""
    with pytest.raises(ProofError, match="open"):
        open_proof(encode_proof(door.log.inclusion(1)), KEY)


@pytest.mark.parametrize("change", [{"purpose": "fun"}, {"fields": [1]}, {"org": 1}, {"role": ""}])
def test_parse_access_of_words_outside_the_vocabulary_is_refused(change: dict[str, Any]) -> None:
    """An event that no gate wrote is not shown as if one had."""
    details: dict[str, Any] = {"org": "x", "purpose": "appeal", "case": "", "fields": ["name"]}
    event = Event(b"e" * 16, Kind.ACCESS_GRANTED, NOW, GRANDMOTHER, details)
    assert parse_access(event).organisation_zh == "x"
    with pytest.raises(EventError):
        parse_access(Event(b"e" * 16, Kind.ACCESS_GRANTED, NOW, None, {**details, **change}))
    with pytest.raises(EventError):
        parse_access(Event(b"e" * 16, Kind.DECIDED, NOW, None, details))


@pytest.mark.parametrize(
    ("texts", "words"),
    [(PURPOSES, Purpose), (ROLES, Role), (FIELDS, Field), (REASONS, DenyReason)],
    ids=["purposes", "roles", "fields", "reasons"],
)
def test_every_word_that_a_person_reads_has_both_languages(texts: Any, words: Any) -> None:  # noqa: ANN401
    """No purpose, role, field or reason exists without a Chinese and an English text of its own."""
    assert set(texts) == set(words)
    for language in (0, 1):
        assert len({both[language] for both in texts.values()}) == len(texts)
    assert all(not zh.isascii() and en.isascii() and en for zh, en in texts.values())
