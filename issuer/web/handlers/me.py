"""What a bound person sees and does: colour, declarations, codes, who read, bindings."""

import asyncio
import base64
import binascii
import re
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import Field, StringConstraints

from audit.gate import Refused
from audit.record import Access, own_record
from issuer.codes.issue import MAX_CODES, MAX_DAYS, CodeRequest, Withheld
from issuer.colour.decisions import Decision
from issuer.colour.declare import MAX_DECLARED, Declared
from issuer.colour.evidence import Kind
from issuer.colour.origins import given_reasons, how_to_appeal
from issuer.errors import InputError
from issuer.people.own import decide, declare
from issuer.people.problems import Problem
from issuer.rules.ruletypes import RuleSet, Texts, Verdict
from issuer.web.appkeys import CLOCK, ENROLMENT, GATE, ISSUING, LOG, REFUSALS
from issuer.web.places import Place, place_in
from issuer.web.problems import SECURITY_HEADERS
from issuer.web.routes import AnyRoute, Call, In, Nothing, Out, Route
from issuer.web.times import format_instant, parse_instant
from keys.ed25519 import PublicKey, parse_public_key
from keys.errors import PublicKeyError
from verifier.claims import Colour
from verifier.transport import encode_text

__all__ = ["ROUTES"]

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_HOLDER_KEY_CHARS: Final = 43

When = Annotated[str, StringConstraints(max_length=40)]
HolderKey = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9_-]{{{_HOLDER_KEY_CHARS}}}$")]


class Languages(Out):
    zh: str
    en: str


class ColourReason(Out):
    """A rule that applies. *origins*: other regions whose evidence it rests on, GB/T 2260."""

    rule: str
    origins: list[str]
    zh: str
    en: str


class MyColour(Out):
    """The decision as of now.

    *changes_at*: when it becomes another one by itself, if ever. Where nothing ends before, that is
    the end of the rule set, and not a date to tell somebody who is yellow or red.
    """

    colour: Literal["green", "yellow", "red", "pending"]
    reasons: list[ColourReason]
    what_to_do: Languages
    how_to_appeal: Languages
    decided_at: str
    changes_at: str | None
    rule_set: str
    rule_version: int
    risk_version: int


async def my_colour(call: Call[Nothing, Nothing]) -> MyColour:
    issuing = call.request.app[ISSUING]
    decision = await issuing.run(partial(decide, subject=call.subject))
    authority = issuing.writer.authority
    return describe_decision(decision, authority.rules, authority.issuer.contact)


def describe_decision(decision: Decision, rules: RuleSet, contact: str) -> MyColour:
    """A decision in words. *contact*: where to appeal."""
    reasons = given_reasons(decision.reasons)
    return MyColour(
        colour=_COLOURS[decision.verdict],
        reasons=[
            ColourReason(rule=given.rule, origins=list(given.origins), **_both(given.texts(rules)))
            for given in reasons
        ],
        what_to_do=Languages(**_both(rules.what_to_do[decision.verdict])),
        how_to_appeal=Languages(**_both(how_to_appeal(reasons, contact))),
        decided_at=format_instant(decision.decided_at),
        changes_at=None if decision.changes_at is None else format_instant(decision.changes_at),
        rule_set=decision.rule_set,
        rule_version=decision.rule_version,
        risk_version=decision.risk_version,
    )


_COLOURS: Final[dict[Verdict, Literal["green", "yellow", "red", "pending"]]] = {
    Verdict.GREEN: "green",
    Verdict.YELLOW: "yellow",
    Verdict.PENDING: "pending",
    Verdict.RED: "red",
}


def _both(texts: Texts) -> dict[str, str]:
    return {language: texts[language] for language in ("zh", "en")}


class SymptomSaid(In):
    """*until*: the last day with it; without one the person still has it."""

    value: Literal["fever", "fatigue", "cough", "diarrhoea", "conjunctivitis"]
    since: When
    until: When | None = None


class ArrivalSaid(In):
    place: Place
    at: When


class ResidenceSaid(In):
    place: Place
    since: When


class Declaration(In):
    """What a person says about themselves. It adds to what is known and takes nothing back."""

    symptoms: list[SymptomSaid] = Field(default=[], max_length=MAX_DECLARED)
    arrivals: list[ArrivalSaid] = Field(default=[], max_length=MAX_DECLARED)
    residence: ResidenceSaid | None = None
    survey: Literal["clear", "incomplete"] | None = None


class Recorded(Out):
    recorded: int


async def make_declaration(call: Call[Declaration, Nothing]) -> Recorded:
    said = list(_said(call.body, call.now))
    app = call.request.app
    work = partial(declare, subject=call.subject, declared=said)
    return Recorded(recorded=await app[ISSUING].run(work))


def _said(body: Declaration, now: int) -> Iterable[Declared]:
    for number, symptom in enumerate(body.symptoms):
        field = f"symptoms.{number}"
        since = parse_instant(symptom.since, f"{field}.since")
        until = now if symptom.until is None else parse_instant(symptom.until, f"{field}.until")
        yield Declared(Kind.SYMPTOM, symptom.value, since, until, field=field)
    for number, arrival in enumerate(body.arrivals):
        field = f"arrivals.{number}"
        at = parse_instant(arrival.at, f"{field}.at")
        place = place_in(arrival.place, f"{field}.place")
        yield Declared(Kind.ARRIVAL, "entered", at, place=place, field=field)
    if body.residence is not None:
        since = parse_instant(body.residence.since, "residence.since")
        place = place_in(body.residence.place, "residence.place")
        yield Declared(Kind.RESIDENCE, "lives", since, place=place, field="residence")
    if body.survey is not None:
        yield Declared(Kind.SURVEY, body.survey, now, field="survey")


class CodesWanted(In):
    """One paper code, or a phone code for each of the phone's fresh public keys (base64url)."""

    medium: Literal["paper", "phone"]
    holder_keys: list[HolderKey] = Field(default_factory=list, max_length=MAX_CODES)
    days: int = Field(default=1, ge=1, le=MAX_DAYS)


class Codes(Out):
    """Texts for QR codes, all of one colour; phone codes in the order of their keys.

    There may be fewer than keys, and any may be missing: find a code's key by the one in it.
    """

    colour: Literal["green", "yellow", "red"]
    codes: list[str]


async def get_codes(call: Call[CodesWanted, Nothing]) -> Codes:
    wanted = _wanted(call)
    made = await call.request.app[ISSUING].issue(wanted)
    if isinstance(made, Withheld):
        raise InputError(Problem.COLOUR_PENDING)
    return Codes(
        colour=_CODE_COLOURS[made.colour], codes=[encode_text(code) for code in made.codes]
    )


_CODE_COLOURS: Final[dict[Colour, Literal["green", "yellow", "red"]]] = {
    Colour.GREEN: "green",
    Colour.YELLOW: "yellow",
    Colour.RED: "red",
}


def _wanted(call: Call[CodesWanted, Nothing]) -> CodeRequest:
    given = call.request.headers.getall("Idempotency-Key", [])
    if len(given) != 1 or not _KEY.fullmatch(given[0]):
        raise InputError(Problem.IDEMPOTENCY_KEY)
    body = call.body
    keys = tuple(map(_holder_key, body.holder_keys))
    if (body.medium == "phone") is not bool(keys):
        raise InputError(Problem.MISSING_MEMBER if not keys else Problem.WRONG_VALUE, "holder_keys")
    if len(set(keys)) != len(keys):
        raise InputError(Problem.BAD_HOLDER_KEY, "holder_keys")
    if body.days > max(1, len(keys)):
        raise InputError(Problem.WRONG_VALUE, "days")
    return CodeRequest(call.subject, given[0], keys, body.days)


def _holder_key(text: str) -> PublicKey:
    try:
        data = base64.b64decode(text + "=", altchars=b"-_", validate=True)
        if base64.urlsafe_b64encode(data) != f"{text}=".encode():
            raise InputError(Problem.BAD_HOLDER_KEY, "holder_keys")
        return parse_public_key(data)
    except (binascii.Error, PublicKeyError) as error:
        raise InputError(Problem.BAD_HOLDER_KEY, "holder_keys") from error


class AccessShown(Out):
    """One time that somebody asked to read something about the person, let in or not.

    *proof* (c2sp.org/tlog-proof) shows offline that the log holds this entry, and what it says.
    """

    at: str
    zh: str
    en: str
    organisation_zh: str
    organisation_en: str
    role: str | None
    purpose: str
    case: str
    fields: list[str]
    refused: str | None
    proof: str


class Accesses(Out):
    """Oldest first. This very look stands last."""

    accesses: list[AccessShown]


async def my_accesses(call: Call[Nothing, Nothing]) -> Accesses:
    app, subject = call.request.app, call.subject
    async with app[REFUSALS].turn(subject):
        now = app[CLOCK]()
        if app[REFUSALS].stands(subject, now=now):
            raise InputError(Problem.TOO_MANY_READS)
        found = await asyncio.to_thread(own_record, app[GATE], app[LOG], subject, now=now)
        if isinstance(found, Refused):
            app[REFUSALS].note(subject, now=now)
            raise InputError(Problem.TOO_MANY_READS)
    return Accesses(accesses=[_shown(access, proof) for access, proof in found])


def _shown(access: Access, proof: bytes) -> AccessShown:
    return AccessShown(
        at=format_instant(access.at),
        zh=access.zh(),
        en=access.en(),
        organisation_zh=access.organisation_zh,
        organisation_en=access.organisation_en,
        role=access.role,
        purpose=access.purpose,
        case=access.case,
        fields=list(access.fields),
        refused=access.refused,
        proof=proof.decode(),
    )


class BindingShown(Out):
    binding: str
    bound_at: str
    expires_at: str


class Bindings(Out):
    bindings: list[BindingShown]


async def my_bindings(call: Call[Nothing, Nothing]) -> Bindings:
    bindings = await asyncio.to_thread(call.request.app[ENROLMENT].bindings, call.subject)
    return Bindings(
        bindings=[
            BindingShown(
                binding=binding.binding_id.hex(),
                bound_at=format_instant(binding.bound_at),
                expires_at=format_instant(binding.expires_at),
            )
            for binding in bindings
        ]
    )


async def end_binding(call: Call[Nothing, Nothing]) -> web.Response:
    binding_id = bytes.fromhex(call.request.match_info["binding"])
    await asyncio.to_thread(call.request.app[ENROLMENT].unbind, call.subject, binding_id)
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=SECURITY_HEADERS)


_OF_TIMES: Final = (Problem.TIME_FORM, Problem.TIME_OUT_OF_RANGE)

ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "GET",
        "/me/colour",
        my_colour,
        "My colour, the reasons, what to do and when it changes.",
        Nothing,
        Nothing,
        MyColour,
        bound=True,
    ),
    Route(
        "POST",
        "/me/declarations",
        make_declaration,
        "Say something about myself.",
        Declaration,
        Nothing,
        Recorded,
        HTTPStatus.CREATED,
        bound=True,
        problems=(
            *_OF_TIMES,
            Problem.UNKNOWN_PLACE,
            Problem.UNKNOWN_VALUE,
            Problem.TOO_MANY,
        ),
    ),
    Route(
        "POST",
        "/me/codes",
        get_codes,
        "Codes for paper or phone. The same key and body give the same codes again.",
        CodesWanted,
        Nothing,
        Codes,
        bound=True,
        problems=(
            Problem.IDEMPOTENCY_KEY,
            Problem.IDEMPOTENCY_CONFLICT,
            Problem.BAD_HOLDER_KEY,
            Problem.COLOUR_PENDING,
            Problem.ISSUER_ENDED,
            Problem.TOO_MANY_CODES,
        ),
        headers=(
            ("Idempotency-Key", _KEY.pattern, "Fresh for each wish, the same when asked again."),
        ),
    ),
    Route(
        "GET",
        "/me/accesses",
        my_accesses,
        "Who read about me, or tried to: each entry of the log with its proof.",
        Nothing,
        Nothing,
        Accesses,
        bound=True,
        problems=(Problem.TOO_MANY_READS,),
    ),
    Route(
        "GET",
        "/me/bindings",
        my_bindings,
        "Where I am bound.",
        Nothing,
        Nothing,
        Bindings,
        bound=True,
    ),
    Route(
        "DELETE",
        "/me/bindings/{binding}",
        end_binding,
        "End one of my bindings.",
        Nothing,
        Nothing,
        None,
        HTTPStatus.NO_CONTENT,
        variables=(("binding", "[0-9a-f]{16}"),),
        bound=True,
        problems=(Problem.NOT_FOUND,),
    ),
)
