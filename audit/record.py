"""What people see about who read what about them, in Chinese and English. Shell.

Each line stands for one entry of the log and carries a proof that anybody can check offline with
the log's public key: `open_proof` does, and so does any reader of c2sp.org/tlog-proof, where the
entry is the SHA-256 of the proof's `extra`. Staff are shown as organisation and role; an entry
names them by a grant's random id, which only auditors can look up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, TypeAlias

from audit.access import DenyReason, Field, Purpose, Role, own_record_request
from audit.errors import EventError, ProofError
from audit.events import SALT_BYTES, Event, Kind, commitment, decode_event
from audit.gate import Gate, Refused
from audit.logreader import LoggedEvent, LogReader
from audit.tlog.note import NoteKey
from audit.tlog.proof import encode_proof, parse_proof, verify_proof

__all__ = ["Access", "open_proof", "own_record", "parse_access"]

_KINDS: Final = frozenset({Kind.ACCESS_GRANTED, Kind.ACCESS_DENIED, Kind.LOG_READ})
_CHINA: Final = timezone(timedelta(hours=8))

_Both: TypeAlias = tuple[str, str]  # Chinese, English

PURPOSES: Final[Mapping[Purpose, _Both]] = {
    Purpose.HOSPITAL_LOOK_UP: ("医院无健康码绿色通道查询", "look-up in a hospital's no-code lane"),
    Purpose.DESK_ISSUE: ("窗口代办纸质码", "printing a paper code at a desk"),
    Purpose.CONTACT_TRACING: ("密切接触者追踪", "contact tracing"),
    Purpose.APPEAL: ("申诉处理", "handling an appeal"),
    Purpose.AUDIT_REPLAY: ("审计复核判定", "an audit that recomputes decisions"),
    Purpose.ACCESS_REVIEW: ("审计查阅访问记录", "an audit of who read what"),
    Purpose.OPENING: ("经批准查明健康码持有人", "finding the holder of a code, as authorised"),
    Purpose.OWN_RECORD: ("查看本人记录", "reading one's own record"),
}

ROLES: Final[Mapping[Role, _Both]] = {
    Role.DESK_CLERK: ("窗口工作人员", "desk clerk"),
    Role.HEALTH_OFFICER: ("疾控工作人员", "health officer"),
    Role.AUDITOR: ("审计人员", "auditor"),
    Role.PERSON: ("本人", "yourself"),
}

FIELDS: Final[Mapping[Field, _Both]] = {
    Field.NAME: ("姓名", "name"),
    Field.PHONE: ("手机号", "phone number"),
    Field.ID_NUMBER: ("身份证号", "identity number"),
    Field.COLOUR: ("健康码颜色", "colour"),
    Field.REASONS: ("判定原因", "reasons"),
    Field.CODES: ("健康码", "codes"),
    Field.ACCESS_RECORD: ("访问记录", "access record"),
    Field.CONTACT: ("密切接触", "contacts"),
    Field.RING_CONTACT: ("次密切接触", "contacts of contacts"),
    Field.ARRIVAL: ("到达信息", "arrival"),
    Field.RESIDENCE: ("居住地", "residence"),
    Field.SYMPTOM: ("症状", "symptoms"),
    Field.SAMPLE: ("核酸采样", "samples"),
    Field.RECALL: ("复核通知", "recall notices"),
    Field.RESULT: ("检测结果", "test results"),
    Field.SURVEY: ("流行病学史调查", "epidemiological survey"),
}

REASONS: Final[Mapping[DenyReason, _Both]] = {
    DenyReason.NO_GRANT: ("没有授权", "no authorisation"),
    DenyReason.NOT_YET: ("授权尚未生效", "the authorisation was not yet valid"),
    DenyReason.EXPIRED: ("授权已过期", "the authorisation had expired"),
    DenyReason.PURPOSE: ("授权不含此目的", "the authorisation was not for this purpose"),
    DenyReason.FIELD: ("授权不含这些内容", "the authorisation was not for these fields"),
    DenyReason.OWN_RECORD: ("不得以此方式查询", "a record that this reader may not look up"),
    DenyReason.NO_CASE: ("没有事由编号", "no case reference"),
    DenyReason.MALFORMED_CASE: ("事由编号无效", "not a valid case reference"),
    DenyReason.CLOSED_CASE: ("该事由已结束", "the case was closed"),
    DenyReason.QUOTA_CLERK: ("工作人员查询次数已满", "the clerk's quota was used up"),
    DenyReason.QUOTA_PERSON: ("对您的查询次数已满", "the quota of reads about you was used up"),
    DenyReason.QUOTA_ORGANISATION: ("该单位查询次数已满", "the organisation's quota was used up"),
}


@dataclass(frozen=True, slots=True)
class Access:
    """One read, or one refused read, as its event says it."""

    at: int
    organisation_zh: str
    organisation_en: str
    role: Role | None  # None: refused, and the log does not know who it was
    purpose: Purpose
    case: str
    fields: tuple[Field, ...]
    refused: DenyReason | None

    def zh(self) -> str:
        """A sentence for the person, in Chinese."""
        role = ROLES[self.role][0] if self.role else "身份未知"
        who = role if self.role is Role.PERSON else f"{self.organisation_zh}（{role}）"
        what = "、".join(FIELDS[field][0] for field in self.fields)
        line = f"{self._time()}  {who}  目的：{PURPOSES[self.purpose][0]}  内容：{what}"
        case = f"  事由编号：{self.case}" if self.case else ""
        no = f"  已拒绝：{REASONS[self.refused][0]}" if self.refused else ""
        return line + case + no

    def en(self) -> str:
        """The same sentence in English."""
        role = ROLES[self.role][1] if self.role else "unknown"
        who = role if self.role is Role.PERSON else f"{self.organisation_en} ({role})"
        what = ", ".join(FIELDS[field][1] for field in self.fields)
        line = f"{self._time()}  {who}  purpose: {PURPOSES[self.purpose][1]}  fields: {what}"
        case = f"  case: {self.case}" if self.case else ""
        no = f"  refused: {REASONS[self.refused][1]}" if self.refused else ""
        return line + case + no

    def _time(self) -> str:
        return datetime.fromtimestamp(self.at, UTC).astimezone(_CHINA).strftime("%Y-%m-%d %H:%M")


def own_record(
    gate: Gate, log: LogReader, subject: bytes, *, now: int
) -> tuple[tuple[Access, bytes], ...] | Refused:
    """All reads about *subject*, oldest first, each with the text of its proof.

    This read is logged too, before the record is loaded, and stands last in it.

    Raises:
        LoadError, AuditError: As `Gate.open` does.
    """
    found: list[LoggedEvent] = []

    def load(person: bytes, fields: frozenset[Field]) -> Mapping[Field, object]:
        found.extend(log.events_of(person, _KINDS))
        return dict.fromkeys(fields, found)

    request = own_record_request(subject, frozenset({Field.ACCESS_RECORD}))
    answer = gate.open(request, load, now=now)
    if isinstance(answer, Refused):
        return answer
    return tuple((parse_access(logged.event), encode_proof(logged.proof)) for logged in found)


def open_proof(text: bytes, key: NoteKey) -> Event:
    """The event that a proof opens, if it is in the log that *key* signs. Needs no network.

    Raises:
        ProofError: Not a proof, or the entry is not there.
        CheckpointError: The checkpoint is not that log's.
        EventError: The entry is there and holds no event.
    """
    proof = parse_proof(text)
    if proof.extra is None or len(proof.extra) <= SALT_BYTES:
        raise ProofError("the proof does not open its entry")
    salt, body = proof.extra[:SALT_BYTES], proof.extra[SALT_BYTES:]
    verify_proof(proof, commitment(salt, body), key)
    return decode_event(body)


def parse_access(event: Event) -> Access:
    """What an event about a read says.

    Raises:
        EventError: The event is of another kind, or says what cannot be.
    """
    details = event.details
    try:
        if event.kind not in _KINDS:
            raise EventError("not an event about a read")
        role, refused, fields = details.get("role"), details.get("reason"), details["fields"]
        organisation = _text(details["org"])
        return Access(
            at=event.at,
            organisation_zh=_text(details.get("org_zh", organisation)),
            organisation_en=_text(details.get("org_en", organisation)),
            role=None if role is None else Role(_text(role)),
            purpose=Purpose(_text(details["purpose"])),
            case=_text(details["case"]),
            fields=tuple(Field(_text(f)) for f in fields) if isinstance(fields, list) else (),
            refused=None if refused is None else DenyReason(_text(refused)),
        )
    except (KeyError, ValueError) as error:
        raise EventError("a read that cannot be") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise EventError("not text")
    return value
