"""A valid grant and a valid request; each test changes one part."""

from dataclasses import replace
from typing import Any, Final

from audit.access import AccessRequest, Field, Grant, Organisation, Purpose, Role

NOW: Final = 1_607_835_600  # 13 December 2020, 13:00 in Xi'an
CLERK: Final = "clerk-17"
HOSPITAL: Final = Organisation("hospital-xian-4", "西安市第四医院", "Xi'an No. 4 Hospital")
GRANDMOTHER: Final = b"grandmother-----"
CASE: Final = "GL-20201213-0042"


def a_grant(**changes: Any) -> Grant:  # noqa: ANN401 - any field of a grant
    grant = Grant(
        grant_id=b"grant-of-clerk17",
        principal=CLERK,
        role=Role.DESK_CLERK,
        organisation=HOSPITAL,
        purposes=frozenset({Purpose.HOSPITAL_LOOK_UP}),
        fields=frozenset({Field.NAME, Field.COLOUR}),
        valid_from=NOW - 3600,
        valid_until=NOW + 30 * 86_400,
        granted_by="head-of-desk-2",
    )
    return replace(grant, **changes)


def a_request(**changes: Any) -> AccessRequest:  # noqa: ANN401 - any field of a request
    request = AccessRequest(
        principal=CLERK,
        organisation=HOSPITAL.id,
        purpose=Purpose.HOSPITAL_LOOK_UP,
        case=CASE,
        subject=GRANDMOTHER,
        fields=frozenset({Field.COLOUR}),
    )
    return replace(request, **changes)
