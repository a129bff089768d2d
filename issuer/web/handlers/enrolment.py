"""Register, and bind by name, phone and one-time code. Answers tell nothing about who exists."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, Literal

from pydantic import StringConstraints

from issuer.colour.timeline import local_date
from issuer.people.binding import CODE_LIFE_S, MAX_TRIES
from issuer.people.identity import normalise, normalise_name, normalise_phone
from issuer.people.problems import Problem
from issuer.web.appkeys import ENROLMENT, PACE
from issuer.web.places import Place, place_in
from issuer.web.routes import AnyRoute, Call, In, Nothing, Out, Route
from issuer.web.times import format_instant

__all__ = ["ROUTES"]

#: Before anything looks at the characters; the rules themselves are in `issuer.people.identity`.
Name = Annotated[str, StringConstraints(max_length=400)]
Phone = Annotated[str, StringConstraints(max_length=64)]
IdentityNumber = Annotated[str, StringConstraints(max_length=64)]
RequestText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
CodeText = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class Registration(In):
    """*home*: where the person lives, a GB/T 2260 code or a named compound."""

    name: Name
    phone: Phone
    home: Place
    identity_number: IdentityNumber | None = None


class Received(Out):
    """The same for everybody. Bind next: that needs the phone."""

    status: Literal["received"] = "received"


class BindingRequest(In):
    name: Name
    phone: Phone


class CodeSent(Out):
    """The same for everybody; whether a code can be confirmed is known to the phone alone."""

    request: str
    code_life_s: int = CODE_LIFE_S
    tries: int = MAX_TRIES


class Confirmation(In):
    request: RequestText
    code: CodeText


class BindingMade(Out):
    """*token* goes into the header `Authorization: Bearer`, and is shown this once."""

    token: str
    binding: str
    expires_at: str


async def register(call: Call[Registration, Nothing]) -> Received:
    body = call.body
    today = local_date(call.now)
    identity = normalise(body.name, body.phone, body.identity_number, today=today)
    home = place_in(body.home, "home")
    enrolment = call.request.app[ENROLMENT]
    await call.request.app[PACE].run(partial(enrolment.register, identity, home))
    return Received()


async def request_binding(call: Call[BindingRequest, Nothing]) -> CodeSent:
    name, phone = normalise_name(call.body.name), normalise_phone(call.body.phone)
    ask = partial(call.request.app[ENROLMENT].ask, name, phone)
    return CodeSent(request=await call.request.app[PACE].run(ask))


async def confirm_binding(call: Call[Confirmation, Nothing]) -> BindingMade:
    confirm = partial(call.request.app[ENROLMENT].confirm, call.body.request, call.body.code)
    bound = await call.request.app[PACE].run(confirm)
    return BindingMade(
        token=bound.token,
        binding=bound.binding_id.hex(),
        expires_at=format_instant(bound.expires_at),
    )


_OF_A_PERSON: Final = (
    Problem.NAME_LENGTH,
    Problem.NAME_CHARACTER,
    Problem.PHONE_FORM,
    Problem.NOT_A_MOBILE,
)

ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "POST",
        "/register",
        register,
        "Register a person. Known and unknown people get the same answer.",
        Registration,
        Nothing,
        Received,
        HTTPStatus.ACCEPTED,
        problems=(
            *_OF_A_PERSON,
            Problem.IDENTITY_NUMBER_FORM,
            Problem.IDENTITY_NUMBER_WRONG,
            Problem.BIRTH_IN_FUTURE,
            Problem.UNKNOWN_PLACE,
        ),
    ),
    Route(
        "POST",
        "/bindings",
        request_binding,
        "Have a one-time code sent to the phone. Known and unknown people get the same answer.",
        BindingRequest,
        Nothing,
        CodeSent,
        HTTPStatus.ACCEPTED,
        problems=_OF_A_PERSON,
    ),
    Route(
        "POST",
        "/bindings/confirm",
        confirm_binding,
        "Exchange the one-time code for a binding.",
        Confirmation,
        Nothing,
        BindingMade,
        problems=(Problem.CODE_REFUSED,),
    ),
)
