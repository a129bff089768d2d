"""The closed schema of a rule set's data: which members exist, and of which type. Pure.

Whether the members make sense together is checked in `issuer.rules.rulecheck`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = [
    "AnswerData", "ConditionData", "DefaultData", "FixedData", "GivesData", "MissingData",
    "PendingData", "PresumptionData", "RuleData", "RuleSetData", "SelectorData",
]  # fmt: skip

_Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
_Region = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
_Time = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2}$"
    ),
]
_Days = Annotated[int, Field(ge=1, le=60)]
_Hours = Annotated[int, Field(ge=1, le=168)]
_Words = Annotated[list[str], Field(max_length=32)]
_Texts = dict[str, str]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SelectorData(_Model):
    evidence: str
    values: _Words


class AnswerData(SelectorData):
    presumed: bool


class ConditionData(SelectorData):
    where: Literal["inside", "outside"] | None = None
    key_area: bool | None = None
    within: _Id | None = None
    answered_by: AnswerData | None = None


class MissingData(_Model):
    missing: str


class FixedData(_Model):
    """What applies without a condition on evidence."""

    id: _Id
    code: _Id
    reason: _Texts


class DefaultData(FixedData):
    colour: Literal["green", "yellow", "red"]


class RuleData(DefaultData):
    when: ConditionData


class PendingData(FixedData):
    when: ConditionData | MissingData = Field(union_mode="left_to_right")


class GivesData(_Model):
    evidence: str
    value: str


class PresumptionData(_Model):
    id: _Id
    from_: SelectorData = Field(alias="from")
    unless: list[SelectorData]
    after: _Id
    gives: GivesData
    reason: _Texts


class TodoData(_Model):
    green: _Texts
    yellow: _Texts
    red: _Texts
    pending: _Texts


class RuleSetData(_Model):
    format: Literal[1]
    id: _Id
    version: Annotated[int, Field(ge=1)]
    languages: _Words
    title: _Texts
    jurisdiction: _Region
    announced_at: _Time
    valid_from: _Time
    valid_until: _Time
    days: dict[_Id, _Days]
    hours: dict[_Id, _Hours]
    key_levels: list[Literal["low", "medium", "high"]]
    rules: Annotated[list[RuleData], Field(max_length=256)]
    pending: Annotated[list[PendingData], Field(max_length=256)]
    presumptions: Annotated[list[PresumptionData], Field(max_length=16)]
    default: DefaultData
    not_in_force: FixedData
    what_to_do: TodoData
