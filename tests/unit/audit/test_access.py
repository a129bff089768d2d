"""The limits of access: every reason is reached, and nothing is let in that a limit forbids."""

import dataclasses
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.access import (
    MAX_GRANT_S,
    PURPOSE_FIELDS,
    ROLE_PURPOSES,
    AccessRequest,
    Allowed,
    Denied,
    DenyReason,
    Field,
    Organisation,
    Purpose,
    Quotas,
    Role,
    Usage,
    decide,
    is_case_reference,
    own_principal,
    own_record_grant,
    own_record_request,
)
from tests.access_support import CASE, CLERK, GRANDMOTHER, NOW, a_grant, a_request

CLERKS_OWN = b"clerk-17-herself"


def test_decide_valid_request_is_allowed_with_the_fields_asked_for() -> None:
    """A request within a grant gets what it asked for, not all that the grant holds."""
    assert decide([a_grant()], a_request(), Usage(), now=NOW) == Allowed(
        a_grant(), frozenset({Field.COLOUR})
    )


# One change each, to the grant, the request, the usage or the clock.
DENIALS: list[tuple[DenyReason, dict[str, Any], dict[str, Any], Usage, int]] = [
    (DenyReason.NO_GRANT, {"principal": "clerk-18"}, {}, Usage(), NOW),
    (
        DenyReason.NO_GRANT,
        {"organisation": Organisation("hospital-xian-5", "西安市第五医院", "No. 5")},
        {},
        Usage(),
        NOW,
    ),
    (DenyReason.NOT_YET, {"valid_from": NOW + 1}, {}, Usage(), NOW),
    (DenyReason.EXPIRED, {"valid_until": NOW}, {}, Usage(), NOW),
    (DenyReason.PURPOSE, {}, {"purpose": Purpose.CONTACT_TRACING}, Usage(), NOW),
    (DenyReason.PURPOSE, {}, {"purpose": Purpose.OWN_RECORD}, Usage(), NOW),
    (DenyReason.FIELD, {}, {"fields": frozenset({Field.COLOUR, Field.PHONE})}, Usage(), NOW),
    (DenyReason.FIELD, {}, {"fields": frozenset({Field.REASONS})}, Usage(), NOW),
    (DenyReason.OWN_RECORD, {"own_subject": GRANDMOTHER}, {}, Usage(), NOW),
    (DenyReason.NO_CASE, {}, {"case": ""}, Usage(), NOW),
    (DenyReason.MALFORMED_CASE, {}, {"case": "please"}, Usage(), NOW),
    (DenyReason.CLOSED_CASE, {}, {}, Usage(case_closed=True), NOW),
    (DenyReason.QUOTA_CLERK, {}, {}, Usage(clerk=30), NOW),
    (DenyReason.QUOTA_PERSON, {}, {}, Usage(person=10), NOW),
    (DenyReason.QUOTA_ORGANISATION, {}, {}, Usage(organisation=2000), NOW),
]


@pytest.mark.parametrize(("reason", "grant", "request_", "usage", "now"), DENIALS)
def test_decide_one_limit_broken_is_denied_for_that_reason(
    reason: DenyReason, grant: dict[str, Any], request_: dict[str, Any], usage: Usage, now: int
) -> None:
    """Each limit alone refuses, and says which it was."""
    decision = decide([a_grant(**grant)], a_request(**request_), usage, now=now)
    assert isinstance(decision, Denied)
    assert decision.reason is reason


def test_every_deny_reason_has_a_case() -> None:
    """No reason exists that no situation above produces."""
    assert {row[0] for row in DENIALS} == set(DenyReason)


def test_decide_last_second_and_last_look_up_are_still_allowed() -> None:
    """The 30th read of a shift and the last second of a grant are inside; the next are not."""
    usage = Usage(clerk=29, person=9, organisation=1999)
    last = a_grant(valid_from=NOW, valid_until=NOW + 1)
    assert isinstance(decide([last], a_request(), usage, now=NOW), Allowed)
    assert decide([last], a_request(), usage, now=NOW + 1) == Denied(DenyReason.EXPIRED, last)


def test_decide_two_grants_are_never_added_up() -> None:
    """The fields of one grant and the fields of another do not make a request with both."""
    name = a_grant(fields=frozenset({Field.NAME}))
    colour = a_grant(fields=frozenset({Field.COLOUR}), grant_id=b"another-grant-17")
    both = a_request(fields=frozenset({Field.NAME, Field.COLOUR}))
    assert decide([name, colour], both, Usage(), now=NOW) == Denied(DenyReason.FIELD, name)
    assert decide([name, colour], a_request(), Usage(), now=NOW) == Allowed(
        colour, frozenset({Field.COLOUR})
    )


def test_decide_of_several_grants_names_the_reason_of_the_closest() -> None:
    """An expired second grant does not hide that the first failed only at its quota."""
    expired = a_grant(valid_until=NOW, grant_id=b"an-old-one------")
    good = a_grant()
    for grants in ([expired, good], [good, expired]):
        assert decide(grants, a_request(), Usage(clerk=30), now=NOW) == Denied(
            DenyReason.QUOTA_CLERK, good
        )


def test_decide_fields_of_another_purpose_of_the_same_grant_are_denied() -> None:
    """A clerk granted two purposes reads under each only what that purpose needs."""
    grant = a_grant(
        purposes=ROLE_PURPOSES[Role.DESK_CLERK], fields=frozenset({Field.SURVEY, Field.CODES})
    )
    look_up = a_request(fields=frozenset({Field.CODES}))
    assert decide([grant], look_up, Usage(), now=NOW) == Denied(DenyReason.FIELD, grant)
    issue = a_request(fields=frozenset({Field.CODES}), purpose=Purpose.DESK_ISSUE)
    assert isinstance(decide([grant], issue, Usage(), now=NOW), Allowed)


def test_decide_own_record_is_allowed_without_a_case_and_beyond_other_quotas() -> None:
    """Everyone reads his own record, however often others have read it."""
    grant = own_record_grant(GRANDMOTHER, now=NOW)
    usage = Usage(person=10**6, organisation=10**6)
    own = own_record_request(GRANDMOTHER, frozenset({Field.ACCESS_RECORD}))
    assert isinstance(decide([grant], own, usage, now=NOW), Allowed)


def test_decide_own_record_of_somebody_else_is_denied() -> None:
    """The standing grant opens one record, the person's own."""
    grant = own_record_grant(CLERKS_OWN, now=NOW)
    own = own_record_request(CLERKS_OWN, frozenset({Field.ACCESS_RECORD}))
    decision = decide([grant], replace(own, subject=GRANDMOTHER), Usage(), now=NOW)
    assert decision == Denied(DenyReason.OWN_RECORD, grant)


def test_no_role_but_person_may_read_own_records() -> None:
    """No staff role has the purpose that needs no case."""
    holders = {role for role, purposes in ROLE_PURPOSES.items() if Purpose.OWN_RECORD in purposes}
    assert holders == {Role.PERSON}


def test_auditor_reads_no_identity() -> None:
    """No purpose of an auditor contains name, phone or identity number."""
    fields = frozenset[Field]().union(*(PURPOSE_FIELDS[p] for p in ROLE_PURPOSES[Role.AUDITOR]))
    assert not fields & {Field.NAME, Field.PHONE, Field.ID_NUMBER}


def test_request_holds_exactly_one_person_and_no_search() -> None:
    """A request has no second subject, no search text and no limit: this is its whole shape."""
    assert [field.name for field in dataclasses.fields(AccessRequest)] == [
        "principal", "organisation", "purpose", "case", "subject", "fields",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"granted_by": CLERK},
        {"valid_until": NOW - 3600},
        {"valid_until": NOW - 3600 + MAX_GRANT_S + 1},
        {"purposes": frozenset()},
        {"purposes": frozenset({Purpose.HOSPITAL_LOOK_UP, Purpose.CONTACT_TRACING})},
        {"fields": frozenset()},
        {"fields": frozenset({Field.PHONE})},
        {"fields": frozenset(Field)},
        {"grant_id": b"short"},
        {"own_subject": b"short"},
        {"principal": "*"},
        {"principal": "person:" + GRANDMOTHER.hex()},
        {"role": Role.PERSON, "purposes": frozenset({Purpose.OWN_RECORD})},
    ],
)
def test_grant_too_wide_cannot_exist(changes: dict[str, Any]) -> None:
    """Self-granted, endless, wider than its role or purpose, or a wildcard: not even a value."""
    with pytest.raises(ValueError, match=r".") as caught:
        a_grant(**changes)
    assert GRANDMOTHER.hex() not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": b""},
        {"subject": GRANDMOTHER * 2},
        {"fields": frozenset()},
        {"principal": "clerk 17"},
        {"principal": "%"},
        {"organisation": ""},
    ],
)
def test_request_of_another_shape_cannot_exist(changes: dict[str, Any]) -> None:
    """Two people, no field, or a pattern in place of a name is a wrong call."""
    with pytest.raises(ValueError, match=r"a (subject|request|principal|organisation) "):
        a_request(**changes)


@pytest.mark.parametrize("bad", [0, -1])
def test_quotas_below_one_cannot_exist(bad: int) -> None:
    """There is no quota that means unlimited."""
    with pytest.raises(ValueError, match="at least 1"):
        Quotas(clerk=bad)


@pytest.mark.parametrize("name", ["", "x" * 81, "医院\u202e", "a\nb"])
def test_organisation_name_that_could_mislead_cannot_exist(name: str) -> None:
    """A name that people will read holds no control or direction characters."""
    with pytest.raises(ValueError, match="printable"):
        Organisation("hospital", name, "Hospital")


@pytest.mark.parametrize("text", ["GL-20201213-0042", "APPEAL-0042", "CT-20201213-1"])
def test_case_reference_of_a_register_is_one(text: str) -> None:
    """Register, number, and a second number where the register counts by day."""
    assert is_case_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "GL", "GL-1", "gl-20201213-0042", "GL-20201213-0042 ", "GL-20201213-0042\n",
        "GL-13812345678", "GL-610104193612131234", "王秀兰", "GL-2020121\uff13-0042", "GL-0042-*",
        "GL-20201213-0042-1", "WANGXIULAN-0042",
    ],
)  # fmt: skip
def test_case_reference_with_room_for_personal_data_is_none(text: str) -> None:
    """A name, phone or identity number does not fit into a case reference, nor does a pattern."""
    assert not is_case_reference(text)


@given(
    role=st.sampled_from(Role),
    purpose=st.sampled_from(Purpose),
    asked=st.frozensets(st.sampled_from(Field), min_size=1),
    held=st.frozensets(st.sampled_from(Field), min_size=1),
    counts=st.tuples(*[st.integers(0, 40)] * 3),
    case=st.sampled_from(["", CASE, "x"]),
    shift=st.integers(-2, 2),
)
def test_decide_whatever_is_allowed_breaks_no_limit(  # noqa: PLR0913, PLR0917 - one per limit
    role: Role, purpose: Purpose, asked: frozenset[Field], held: frozenset[Field],
    counts: tuple[int, int, int], case: str, shift: int,
) -> None:  # fmt: skip
    """For any grant that can exist and any request: Allowed means that every limit holds."""
    purposes = ROLE_PURPOSES[role]
    person = {"principal": own_principal(GRANDMOTHER), "own_subject": GRANDMOTHER}
    try:
        grant = a_grant(
            role=role, purposes=purposes, fields=held, valid_from=NOW, valid_until=NOW + 1,
            **(person if role is Role.PERSON else {}),
        )  # fmt: skip
    except ValueError:
        return
    request = a_request(principal=grant.principal, purpose=purpose, fields=asked, case=case)
    usage = Usage(*counts)
    match decide([grant], request, usage, now=NOW + shift):
        case Denied():
            return
        case Allowed(_, fields):
            pass
    assert fields == asked <= held & PURPOSE_FIELDS[purpose]
    assert purpose in purposes
    assert shift == 0
    assert usage.clerk < grant.quotas.clerk
    if role is not Role.PERSON:
        assert case == CASE
        assert usage.person < grant.quotas.person
        assert usage.organisation < grant.quotas.organisation
