"""The check: every vector, every cut and flip, every policy."""

import itertools
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.code_support import (
    DAY_S,
    HEILONGJIANG,
    NOW,
    SHAANXI,
    World,
    paper_code,
    phone_code,
    presentation,
    signer,
)
from tests.shared_vectors import PUBLISHED
from tests.vectors import code_worlds, generate_code
from tests.vectors.cases import FOLDER, case_folders, expected, files, found
from tests.vectors.ours import answer, load_world, text_of
from verifier.check import (
    CHECKPOINT,
    HOSPITAL,
    VENUE,
    Kind,
    Lists,
    Policy,
    Reason,
    check,
    check_bytes,
    check_code,
)
from verifier.claims import HOUR_S, Colour, Cti, parse_code
from verifier.presentation import sign_presentation
from verifier.repeats import REMEMBERED_S, Repeats
from verifier.statuslist import Status
from verifier.transport import MAX_TEXT_CHARS, decode_text, encode_text

CASES = case_folders("code")
LISTS = load_world(FOLDER / "worlds" / "plain")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here may open a socket: no header is ever followed, no list fetched."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the check opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)


# --- vectors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_check_gives_the_outcome_that_the_case_states(case: Path) -> None:
    """Every code in tests/vectors/code has exactly the kind and reason that its folder names."""
    assert answer(case) == expected(case)


def test_check_every_reason_has_a_case_and_no_case_another() -> None:
    """No reason exists that no case produces, and none is expected that does not exist."""
    assert {expected(case)["reason"] for case in CASES} == set(Reason)


def test_check_cases_are_what_the_generator_makes() -> None:
    """The files can be made again, byte for byte."""
    assert found("code") == files(generate_code.cases())
    assert found("worlds") == code_worlds.files()


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("cose/**/*.json")), ids=lambda p: p.stem)
def test_check_of_a_published_cose_object_is_no_code(path: Path) -> None:
    """Signed by others, with other algorithms and claims: well-formed, and not of this profile."""
    data = bytes.fromhex(json.loads(path.read_text())["output"]["cbor"])
    assert _reason(data) is Reason.MALFORMED


# --- exhaustive -----------------------------------------------------------------------------------

GOOD = {
    "paper": paper_code(),
    "presentation": decode_text(presentation(phone_code())),
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_check_truncated_at_every_byte_is_no_code(data: bytes) -> None:
    """C34: no beginning of a code is a code, as bytes or as text."""
    text = encode_text(data)
    for length in range(len(data)):
        assert _reason(data[:length]) is Reason.MALFORMED
    for length in range(len(text)):
        outcome = check(text[:length], LISTS, now=NOW, policy=VENUE)
        assert outcome.reason is Reason.MALFORMED


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_check_every_one_bit_flip_is_refused(data: bytes) -> None:
    """C34b: no bit can be changed, and outside kid, exp and signature it is no code at all."""
    for place, bit in itertools.product(range(len(data)), range(8)):
        changed = bytearray(data)
        changed[place] ^= 1 << bit
        assert check_bytes(bytes(changed), LISTS, now=NOW, policy=VENUE).kind is not Kind.ADMIT


def test_check_every_one_bit_flip_of_a_paper_code_has_the_reason_of_its_place() -> None:
    """The template, the kid, the cti and the signature each give their own reason."""
    code = GOOD["paper"]
    reasons: dict[Reason, set[int]] = {}
    for place, bit in itertools.product(range(100), range(8)):
        changed = bytearray(code)
        changed[place] ^= 1 << bit
        reasons.setdefault(_reason(bytes(changed)), set()).add(place)
    assert reasons[Reason.UNKNOWN_KEY] == set(range(8, 12))
    assert reasons[Reason.BAD_SIGNATURE] - set(range(36, 100)) == {24, 25, 26, 27, 33}
    assert reasons[Reason.OUT_OF_SCOPE] <= {23, 24, 25}
    # No one bit makes another whole hour of exp, bytes 17 to 20.
    fixed = {*range(8), *range(12, 23), *range(28, 33), 34, 35}
    assert reasons[Reason.MALFORMED] >= fixed


def test_check_every_one_character_change_of_a_text_is_refused() -> None:
    """No character of the text can be exchanged for another of the alphabet."""
    text = encode_text(GOOD["paper"])
    for place in range(len(text)):
        for other in "0AZ %:":
            if text[place] != other:
                changed = text[:place] + other + text[place + 1 :]
                assert check(changed, LISTS, now=NOW, policy=VENUE).kind is not Kind.ADMIT


@given(st.text(max_size=MAX_TEXT_CHARS + 10))
def test_check_any_text_has_an_outcome(text: str) -> None:
    """Nothing that can stand in a QR code raises."""
    assert check(text, LISTS, now=NOW, policy=VENUE).kind is Kind.NOT_A_CODE


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_check_bytes_with_any_bytes_inside_have_an_outcome(name: str, data: st.DataObject) -> None:
    """A code with some bytes exchanged is refused with a value, unless nothing has changed."""
    changed = bytearray(GOOD[name])
    place = data.draw(st.integers(0, len(changed) - 1))
    piece = data.draw(st.binary(min_size=1, max_size=12))
    changed[place : place + len(piece)] = piece
    admitted = bytes(changed) == GOOD[name]
    assert (_reason(bytes(changed)) is Reason.ADMITTED) == admitted


def _reason(data: bytes) -> Reason:
    return check_bytes(data, LISTS, now=NOW, policy=VENUE).reason


# --- the value ------------------------------------------------------------------------------------


def test_outcome_has_no_truth_value() -> None:
    """`if outcome:` cannot be written by mistake: every outcome would be true."""
    outcome = check("", LISTS, now=NOW, policy=VENUE)
    with pytest.raises(TypeError, match="kind"):
        bool(outcome)


def test_outcome_at_a_venue_is_the_same_for_yellow_and_red_and_shows_no_colour() -> None:
    """A venue learns that a code is not admitted, and nothing else."""
    yellow, red = (
        check_bytes(paper_code(colour=colour), LISTS, now=NOW, policy=VENUE)
        for colour in (Colour.YELLOW, Colour.RED)
    )
    green = check_bytes(paper_code(), LISTS, now=NOW, policy=VENUE)
    assert yellow == red
    assert yellow.colour is None
    assert green.colour is None


@pytest.mark.parametrize("policy", [HOSPITAL, CHECKPOINT], ids=lambda policy: policy.name)
@pytest.mark.parametrize("colour", Colour)
def test_outcome_where_the_policy_shows_it_has_the_colour(policy: Policy, colour: Colour) -> None:
    """Hospitals and checkpoints see the colour of a code that is genuine."""
    outcome = check_bytes(paper_code(colour=colour), LISTS, now=NOW, policy=policy)
    assert outcome.colour is colour


def test_outcome_of_a_refused_code_never_has_a_colour() -> None:
    """What was not verified to its end is not shown."""
    withdrawn = paper_code(cti=Cti(1, 1))
    for policy in (VENUE, HOSPITAL, CHECKPOINT):
        assert check_bytes(withdrawn, LISTS, now=NOW, policy=policy).colour is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outcome_at_a_hospital_never_denies(case: Path) -> None:
    """No code of any kind stands between a person and care."""
    given = json.loads((case / "case.json").read_bytes())
    lists = load_world((case / given["world"]).resolve())
    outcome = check(text_of(case / "code.txt"), lists, now=given["now"], policy=HOSPITAL)
    assert outcome.kind is not Kind.DO_NOT_ADMIT


# --- lists ----------------------------------------------------------------------------------------


def test_lists_newest_is_the_latest_time_at_which_one_was_signed() -> None:
    """The clock cannot be earlier than any list that is held."""
    world = World()
    assert world.lists().newest == NOW - HOUR_S
    assert Lists(world.trust, {}).newest == world.trust.issued_at
    assert Lists(world.trust, {}, newest=NOW).newest == NOW
    assert Lists(world.trust, {}, newest=0).newest == world.trust.issued_at


def test_lists_a_status_list_under_another_number_is_a_wrong_call() -> None:
    """No code is ever looked up in another list than its own."""
    world = World()
    one, other = world.status_lists().values()
    with pytest.raises(ValueError, match="in the place of"):
        Lists(world.trust, {one.list_number: one, 2: other})


def test_check_taking_a_code_back_concerns_that_code_alone() -> None:
    """Of four neighbours in one byte of the list, one is taken back."""
    lists = World().with_status(SHAANXI, 1, 41, Status.SUPERSEDED).lists()
    reasons = [
        check_bytes(paper_code(cti=Cti(1, index)), lists, now=NOW, policy=VENUE).reason
        for index in range(40, 44)
    ]
    assert reasons == [Reason.ADMITTED, Reason.SUPERSEDED, Reason.ADMITTED, Reason.ADMITTED]


def test_check_without_a_province_on_the_trust_list_is_undecided() -> None:
    """A verifier that does not know a province yet sends nobody away."""
    world = World()
    only = replace(world.trust, issuers=(SHAANXI.listed(),))
    lists = Lists(only, world.status_lists())
    outcome = check_bytes(paper_code(HEILONGJIANG), lists, now=NOW, policy=VENUE)
    assert (outcome.kind, outcome.reason) == (Kind.CHECK_AGAIN, Reason.UNKNOWN_KEY)


# --- the issuer's own check -----------------------------------------------------------------------


@pytest.mark.parametrize("code", [paper_code(), phone_code()], ids=["paper", "phone"])
def test_check_code_of_a_good_code_gives_it_verified(code: bytes) -> None:
    """An issuer checks a code before it has a status or a presentation."""
    assert check_code(code, LISTS.trust, now=NOW) == parse_code(code)


def test_check_code_of_a_bad_code_gives_the_reason() -> None:
    """Shape, key, signature and time are looked at."""
    code = paper_code()
    flipped = code[:-1] + bytes((code[-1] ^ 1,))
    assert check_code(code[:-1], LISTS.trust, now=NOW) is Reason.MALFORMED
    assert check_code(flipped, LISTS.trust, now=NOW) is Reason.BAD_SIGNATURE
    assert check_code(code, LISTS.trust, now=NOW + 4 * DAY_S) is Reason.EXPIRED


# --- repeats --------------------------------------------------------------------------------------


def test_repeats_the_same_code_signed_twice_counts_once() -> None:
    """C55: the position names a code; a second signature does not make it another."""
    code = phone_code()
    door = Repeats()
    first, second = presentation(code, now=NOW - 15), presentation(code)
    assert door.check(first, LISTS, now=NOW, policy=CHECKPOINT).reason is Reason.ADMITTED
    assert door.check(second, LISTS, now=NOW, policy=CHECKPOINT).reason is Reason.REPEATED


def test_repeats_are_forgotten_once_the_presentation_has_died() -> None:
    """Nothing is remembered longer than a presentation lives."""
    code = phone_code()
    door = Repeats()
    later = NOW + REMEMBERED_S + 1
    door.check(presentation(code), LISTS, now=NOW, policy=CHECKPOINT)
    again = presentation(code, now=later)
    assert door.check(again, LISTS, now=later, policy=CHECKPOINT).reason is Reason.ADMITTED
    assert len(door._admitted) == 1


def test_repeats_a_refused_code_is_not_remembered() -> None:
    """A code that was undecided may be shown again at once."""
    door = Repeats()
    code = phone_code()
    old = presentation(code, now=NOW - 60)
    assert door.check(old, LISTS, now=NOW, policy=CHECKPOINT).reason is Reason.PRESENTATION_OLD
    assert door.check(presentation(code), LISTS, now=NOW, policy=CHECKPOINT).kind is Kind.ADMIT


def test_presentation_of_every_second_is_admitted_for_75_seconds() -> None:
    """From 30 s ahead to 45 s old, and not a second more on either side."""
    code = phone_code()
    shown = sign_presentation(code, signer("holder"), now=NOW)
    admitted = [
        now - NOW
        for now in range(NOW - 60, NOW + 60)
        if check_bytes(shown, LISTS, now=now, policy=VENUE).kind is Kind.ADMIT
    ]
    assert admitted == list(range(-30, 46))
