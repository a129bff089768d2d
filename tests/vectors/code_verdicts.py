"""Vectors of codes in the right shape: signatures, claims, keys, times, presentations, status."""

from collections.abc import Iterator
from dataclasses import replace

from keys.kid import kid as kid_of
from tests.cbor_support import (
    SMALL_ORDER,
    byte_string,
    envelope,
    mixed_order_signature,
    scaled_signature,
    second_signature,
    sign_as,
    sign_ph,
    text_of,
)
from tests.code_support import (
    ANKANG,
    DAY_S,
    HEILONGJIANG,
    NOW,
    YANAN,
    paper_code,
    phone_code,
    presentation,
    signer,
)
from tests.vectors.code_material import (
    CODE_SEED,
    CODER,
    CTI,
    EXP,
    GOOD,
    HEADER,
    HOLDER,
    M1,
    M2,
    M3,
    PAYLOAD,
    SIGNATURE,
    STRUCTURE,
    Vector,
    h,
    malformed,
    nested,
    outcome_is,
    paper,
    phone_code_for,
    raw_presentation,
    signed,
    with_exp,
)
from tests.vectors.code_worlds import ENDED, MISSING, OLDEST, TOO_OLD
from verifier.check import Kind, Reason
from verifier.claims import HOUR_S, MAX_EXP, Claims, Colour, Cti, sign_code
from verifier.presentation import sign_presentation
from verifier.statuslist import DEFAULT_ENTRIES

__all__ = ["vectors"]


def vectors() -> Iterator[Vector]:
    """Every vector of this module, in the order of the cases."""
    yield from _good()
    yield from _signatures()
    yield from _claims()
    yield from _keys()
    yield from _endings()
    yield from _times()
    yield from _presentations()
    yield from _statuses()


def _good() -> Iterator[Vector]:
    yield outcome_is("good-paper", "A green paper code.", GOOD, Reason.ADMITTED)
    shown = presentation(phone_code())
    yield outcome_is("good-presentation", "A green phone code, shown now.", shown, Reason.ADMITTED)
    elsewhere = text_of(paper_code(HEILONGJIANG))
    yield outcome_is("good-other-province", "One code, everywhere.", elsewhere, Reason.ADMITTED)
    red, yellow = (paper_code(colour=colour) for colour in (Colour.RED, Colour.YELLOW))
    yield outcome_is("red-at-a-venue", "Venues do not learn why.", red, Reason.NOT_ADMITTED)
    yield outcome_is("yellow-at-a-venue", "The same answer as red.", yellow, Reason.NOT_ADMITTED)
    at_hospital = outcome_is("red-at-a-hospital", "Recorded, never denied.", red, Reason.ADMITTED)
    yield replace(at_hospital, policy="hospital", colour=Colour.RED)
    at_checkpoint = outcome_is("red-at-a-checkpoint", "Seen.", red, Reason.NOT_ADMITTED)
    yield replace(at_checkpoint, policy="checkpoint", colour=Colour.RED)
    forged = bytes((*GOOD[:-1], GOOD[-1] ^ 1))
    refused = outcome_is("forged-at-a-hospital", "Never denied.", forged, Reason.BAD_SIGNATURE)
    yield replace(refused, policy="hospital", kind=Kind.CHECK_AGAIN.value)
    nothing = malformed("malformed-at-a-hospital", "Nothing that anybody could record.", "CE1:")
    yield replace(nothing, policy="hospital")


def _signatures() -> Iterator[Vector]:
    def bad(name: str, about: str, signature: bytes) -> Vector:
        data = envelope(HEADER, b"\xa0", PAYLOAD, signature)
        return outcome_is(name, about, data, Reason.BAD_SIGNATURE)

    wrong_aad = signed(aad=b"celadon")
    yield outcome_is("C048-external-aad", "Signed with an aad.", wrong_aad, Reason.BAD_SIGNATURE)
    for name, times in {"l": 1, "2l": 2, "8l": 8}.items():
        scaled = scaled_signature(SIGNATURE, times)
        yield bad(f"C049-signature-plus-{name}", "S is not the smallest.", scaled)
    for number, point in enumerate(SMALL_ORDER):
        forced = sign_as(CODE_SEED, STRUCTURE, r_point=point)
        yield bad(f"C050-small-order-r-{number}", "R is of small order.", forced)
    mixed = mixed_order_signature(CODE_SEED, STRUCTURE)
    yield bad("C051-mixed-order-r", "R plus a point of order 8, by the owner of the key.", mixed)
    identity = SMALL_ORDER[0]
    yield bad("C052-r-not-canonical", "R with y = p + 1.", h("EE" + "FF" * 30 + "7F") + bytes(32))
    yield bad("C053-signature-zero", "64 zeros.", bytes(64))
    yield bad("C053-identity-and-zero", "R = identity, S = 0.", identity + bytes(32))
    yield bad("C054-ed25519ph", "Signed over a hash.", sign_ph(CODE_SEED, STRUCTURE, prehash=True))
    in_context = sign_ph(CODE_SEED, STRUCTURE, prehash=False, context=b"celadon")
    yield bad("C054-ed25519ctx", "Signed in a context.", in_context)
    yield bad("C054-payload-only", "Signed without Sig_structure.", CODER.sign(PAYLOAD))
    again = envelope(HEADER, b"\xa0", PAYLOAD, second_signature(CODE_SEED, STRUCTURE))
    about = "The owner of a key can sign again: as good as the first, and the same code."
    yield outcome_is("C055-second-signature", about, again, Reason.ADMITTED)


def _claims() -> Iterator[Vector]:
    no_exp = signed(b"\xa2" + M2 + M3)
    yield malformed("C057-exp-missing", "No end.", no_exp)
    yield malformed("C057-cti-missing", "No position.", signed(b"\xa2" + M1 + M3))
    yield malformed("C057-colour-missing", "No colour.", signed(b"\xa2" + M1 + M2))
    too_far = paper(NOW + 8 * DAY_S)
    yield outcome_is("C057-life-longer-than-paper", "exp in 8 days.", too_far, Reason.NOT_YET)
    for name, number in {
        "zero": 0,
        "one-hour": 3600,
        "not-shortest": 64_800,
        "half-hour": NOW + 1800,
        "one-second-off": NOW + DAY_S + 1,
        "2-31": 2**31,
        "2-32-less-one": 2**32 - 1,
    }.items():
        item = b"\x1a" + number.to_bytes(4, "big")
        yield malformed(f"C060-exp-{name}", "Not a whole hour of four bytes.", with_exp(item))
    for power in (32, 53):
        item = b"\x1b" + (2**power).to_bytes(8, "big")
        yield malformed(f"C060-exp-2-{power}", "More than four bytes.", with_exp(item))
    yield malformed("C060-exp-2-64-less-one", "More than four.", with_exp(h("1B" + "FF" * 8)))
    yield malformed("C060-exp-negative", "Below zero.", with_exp(b"\x3a" + EXP))
    last_hour = MAX_EXP // HOUR_S * HOUR_S
    yield outcome_is("C060-exp-last-hour", "2106: no overflow.", paper(last_hour), Reason.NOT_YET)
    yield outcome_is("C060-exp-first-hour", "1970: no overflow.", paper(68_400), Reason.EXPIRED)
    for name, colour in {
        "3": "03",
        "4": "04",
        "23": "17",
        "256": "190100",
        "minus-1": "20",
        "text": "65677265656E",
        "bytes": "4100",
    }.items():
        yield malformed(f"C061-colour-{name}", "No such colour.", nested(h(colour)))
    for name, member in {"iat": "061A5FD55900", "aud": "0300", "private": "3A0001000100"}.items():
        extra = signed(b"\xa4" + M1 + M2 + M3 + h(member))
        yield malformed(f"C062-extra-{name}", "A closed profile.", extra)
    for size in (0, 4, 6, 16):
        sized = signed(b"\xa3" + M1 + b"\x07" + byte_string(CTI.ljust(size, b"\0")[:size]) + M3)
        yield malformed(f"C063-cti-{size}-bytes", "Five, always.", sized)
    as_text = signed(b"\xa3" + M1 + h("0765") + b"ABCDE" + M3)
    yield malformed("C063-cti-text", "Text of five bytes.", as_text)


def _keys() -> Iterator[Vector]:
    unknown = paper(by="stranger")
    yield outcome_is("unknown-key", "Unknown is not forged.", unknown, Reason.UNKNOWN_KEY)
    dead = outcome_is("key-withdrawn", "The key was stolen.", GOOD, Reason.KEY_WITHDRAWN)
    yield replace(dead, world="key-withdrawn")
    for name, by in {"status": "610000 status", "evidence": "610000 evidence"}.items():
        other = paper(by=by)
        yield outcome_is(f"key-for-{name}", "A key for other things.", other, Reason.KEY_PURPOSE)
    early, late = paper(by="610000 early"), paper(by="610000 late")
    yield outcome_is("key-early", "In force in a second.", early, Reason.KEY_NOT_IN_FORCE)
    yield outcome_is("key-late", "Until this second.", late, Reason.KEY_NOT_IN_FORCE)
    a_second_later = outcome_is("key-early-in-force", "Now in force.", early, Reason.ADMITTED)
    yield replace(a_second_later, now=NOW + 1)
    a_second_before = outcome_is("key-late-in-force", "Still in force.", late, Reason.ADMITTED)
    yield replace(a_second_before, now=NOW - 1)
    borrowed = paper(cti=Cti(HEILONGJIANG.first_list, 1))
    yield outcome_is("C045-list-of-another-issuer", "A signs for B.", borrowed, Reason.OUT_OF_SCOPE)
    for name, number in {"below": 0, "above": 1001, "last": 2**20 - 1}.items():
        nobody = paper(cti=Cti(number, 1))
        yield outcome_is(
            f"C065-list-of-nobody-{name}", "No such region.", nobody, Reason.OUT_OF_SCOPE
        )


def _endings() -> Iterator[Vector]:
    yanan, ankang = (text_of(paper_code(city)) for city in (YANAN, ANKANG))
    ended = Reason.ISSUER_ENDED
    yield outcome_is("ended-in-grace", "Ankang ended yesterday.", ankang, Reason.ADMITTED)
    yield outcome_is("ended-after-grace", "Yan'an's grace is over.", yanan, ended)
    last = outcome_is("ended-last-second", "The last second of it.", yanan, Reason.ADMITTED)
    yield replace(last, now=NOW - 1)
    shown = presentation(phone_code(YANAN))
    yield outcome_is("ended-presentation", "A phone code of Yan'an.", shown, ended)
    expired = text_of(paper_code(YANAN, now=NOW - 4 * DAY_S))
    yield outcome_is("ended-and-expired", "Which issuer counts comes first.", expired, ended)
    about = "A key of Yan'an whose time was over before."
    late = paper(cti=Cti(YANAN.first_list, 1), by="610600 late")
    in_grace = outcome_is("ended-key-late-in-grace", about, late, Reason.KEY_NOT_IN_FORCE)
    yield replace(in_grace, now=NOW - 1)
    yield outcome_is("ended-key-late-after-grace", about, late, ended)
    about = "Recorded: nobody is turned away for it."
    at_hospital = outcome_is("ended-at-a-hospital", about, yanan, ended)
    yield replace(at_hospital, policy="hospital")


def _times() -> Iterator[Vector]:
    ends_now, begins_now = paper(NOW), paper(NOW + 7 * DAY_S)
    about = "Valid until the second before exp; no grace."
    for name, shift in {"30-before": -30, "1-before": -1, "at": 0, "1-after": 1}.items():
        reason = Reason.EXPIRED if shift >= 0 else Reason.ADMITTED
        yield replace(outcome_is(f"C058-exp-{name}", about, ends_now, reason), now=NOW + shift)
    yield replace(outcome_is("C058-exp-30-after", about, ends_now, Reason.EXPIRED), now=NOW + 30)
    about = "Valid from the second of exp less seven days; no grace."
    for name, shift in {"30-before": -30, "1-before": -1, "at": 0, "1-after": 1}.items():
        reason = Reason.NOT_YET if shift < 0 else Reason.ADMITTED
        yield replace(outcome_is(f"C058-begin-{name}", about, begins_now, reason), now=NOW + shift)
    tomorrow = phone_code(now=NOW + DAY_S)
    text = presentation(tomorrow)
    yield outcome_is("C059-code-for-tomorrow", "Fetched ahead.", text, Reason.NOT_YET)
    plain = outcome_is("C064-clock-before-status-list", "Impossibly early.", GOOD, Reason.CLOCK)
    yield replace(plain, now=NOW - HOUR_S - 1)
    at_issue = outcome_is("C064-clock-at-status-list", "As early as can be.", GOOD, Reason.ADMITTED)
    yield replace(at_issue, now=NOW - HOUR_S)
    before = outcome_is("C064-clock-before-trust-list", "Impossibly early.", GOOD, Reason.CLOCK)
    yield replace(before, now=NOW - 7 * HOUR_S)
    confirmed = outcome_is(
        "C064-clock-before-confirmation", "Before the latest snapshot.", GOOD, Reason.CLOCK
    )
    yield replace(confirmed, world="trust-ended", now=NOW - HOUR_S // 2 - 1)
    at_snapshot = outcome_is(
        "C064-clock-at-confirmation", "As early as can be.", GOOD, Reason.ADMITTED
    )
    yield replace(at_snapshot, world="trust-ended", now=NOW - HOUR_S // 2)
    yield replace(outcome_is("C064-clock-1970", "A flat battery.", GOOD, Reason.CLOCK), now=0)
    oldest = outcome_is("C073-trust-list-24-h", "Exactly 24 h old.", GOOD, Reason.ADMITTED)
    yield replace(oldest, world="trust-oldest")
    stale = outcome_is("C073-trust-list-older", "A second more.", GOOD, Reason.STALE_TRUST)
    yield replace(stale, world="trust-too-old")
    confirmed = outcome_is("C073-trust-list-confirmed", "24 h ago.", GOOD, Reason.ADMITTED)
    yield replace(confirmed, world="trust-confirmed")
    frozen = outcome_is("C073-trust-list-frozen", "A second more.", GOOD, Reason.STALE_TRUST)
    yield replace(frozen, world="trust-confirmed-long-ago")
    ended = outcome_is("C073-trust-list-ended", "By its own end.", GOOD, Reason.STALE_TRUST)
    yield replace(ended, world="trust-ended")


def _presentations() -> Iterator[Vector]:
    code = phone_code()
    for age, reason in {
        45: Reason.ADMITTED,
        46: Reason.PRESENTATION_OLD,
        3600: Reason.PRESENTATION_OLD,
        -30: Reason.ADMITTED,
        -31: Reason.PRESENTATION_AHEAD,
        -3600: Reason.PRESENTATION_AHEAD,
    }.items():
        name = f"C066-age-{age}" if age > 0 else f"C066-ahead-{-age}"
        shown = presentation(code, now=NOW - age)
        yield outcome_is(name, "Good from 30 s ahead to 45 s old.", shown, reason)
    claims = Claims(NOW, Cti(1, 4712), Colour.GREEN, HOLDER.public_key)
    ends_now = sign_code(claims, CODER)
    ahead = outcome_is(
        "C066-ahead-of-the-end",
        "The phone's time lies after the code's end.",
        presentation(ends_now, now=NOW + 5),
        Reason.EXPIRED,
    )
    yield replace(ahead, now=NOW - 5, step=9)
    begins_now = sign_code(replace(claims, exp=NOW + DAY_S), CODER)
    behind = presentation(begins_now, now=NOW - 5)
    about = "The phone's time lies before the code's beginning."
    early = outcome_is("C066-before-the-beginning", about, behind, Reason.NOT_YET)
    yield replace(early, step=9)
    about = "Exp is the first second that is too late."
    at_the_end = outcome_is("C066-at-the-end", about, presentation(ends_now), Reason.EXPIRED)
    yield replace(at_the_end, now=NOW - 1, step=9)
    last = presentation(ends_now, now=NOW - 1)
    in_time = outcome_is("C066-last-second", "The last one.", last, Reason.ADMITTED)
    yield replace(in_time, now=NOW - 1)
    first = presentation(begins_now)
    in_time = outcome_is("C066-first-second", "The first one.", first, Reason.ADMITTED)
    yield replace(in_time, now=NOW + 5)
    yield from _not_presentations(code)
    for vector in _stolen(code):
        yield replace(vector, step=7 if vector.name == "C067-code-forged" else 9)
    yield malformed("C068-without-presentation", "A phone code by itself.", code)
    stripped = envelope(
        HEADER, b"\xa0", PAYLOAD[:1] + M1 + h("0745") + Cti(1, 4712).encode() + M3, code[-64:]
    )
    about = "A phone code made to look like paper."
    yield outcome_is("C069-holder-key-removed", about, stripped, Reason.BAD_SIGNATURE)
    around_paper = raw_presentation(GOOD, HOLDER)
    yield malformed("C069-paper-presented", "A paper code in a presentation.", around_paper)
    shown = presentation(code)
    about = "The same code again at one door, within 75 s."
    again = presentation(code, now=NOW + 10)
    repeated = outcome_is("C070-shown-twice", about, again, Reason.REPEATED)
    yield replace(repeated, before=(shown,), now=NOW + 10, policy="checkpoint")
    at_venue = outcome_is("C070-shown-twice-at-a-venue", about, again, Reason.ADMITTED)
    yield replace(at_venue, before=(shown,), now=NOW + 10)
    with_paper = outcome_is("C070-paper-twice", "Paper may come again.", GOOD, Reason.ADMITTED)
    yield replace(with_paper, before=(text_of(GOOD),), policy="checkpoint", colour=Colour.GREEN)


def _not_presentations(code: bytes) -> Iterator[Vector]:
    """233 bytes of which one outside the gaps is another, in the presentation or in its code."""
    good = sign_presentation(code, HOLDER, now=NOW)
    for name, place in {
        "tag": 0,
        "header": 3,
        "unprotected": 12,
        "payload": 15,
        "code-length": 21,
        "code-tag": 23,
        "code-unprotected": 23 + 12,
        "code-cti": 23 + 22,
        "code-holder-key": 23 + 29,
        "code-colour-label": 23 + 72,
        "code-signature": 23 + 78,
        "signature": 167,
    }.items():
        other = good[:place] + bytes((good[place] ^ 1,)) + good[place + 1 :]
        yield malformed(f"presentation-{name}", f"Byte {place} is another.", other)
    for name, item in {"colour-3": b"\x03", "exp-half-hour": None}.items():
        inside = bytearray(code)
        if item is None:
            inside[18:22] = (NOW + 1800).to_bytes(4, "big")
        else:
            inside[77:78] = item
        presented = raw_presentation(bytes(inside), HOLDER)
        yield malformed(f"presentation-code-{name}", "No such code.", presented)
    low = raw_presentation(code, HOLDER, time=2**16 - 1)
    yield malformed("presentation-time-not-shortest", "A time below 2^16.", low)


def _stolen(code: bytes) -> Iterator[Vector]:
    """Presentations by somebody else, or over somebody's nonsense."""
    thief = raw_presentation(code, signer("thief"))
    yield outcome_is("C067-by-another-key", "The thief's own kid.", thief, Reason.BAD_SIGNATURE)
    named = raw_presentation(code, signer("thief"), kid=HOLDER.kid)
    yield outcome_is("C067-by-another-key-named", "The holder's kid.", named, Reason.BAD_SIGNATURE)
    wrong_kid = raw_presentation(code, HOLDER, kid=signer("thief").kid)
    yield outcome_is("C067-kid-of-another", "Another kid.", wrong_kid, Reason.BAD_SIGNATURE)
    good = sign_presentation(code, HOLDER, now=NOW)
    flipped = good[:-1] + bytes((good[-1] ^ 1,))
    yield outcome_is("C067-signature-flipped", "One bit.", flipped, Reason.BAD_SIGNATURE)
    inner = bytearray(code)
    inner[-1] ^= 1
    forged = raw_presentation(bytes(inner), HOLDER)
    yield outcome_is("C067-code-forged", "The code inside is forged.", forged, Reason.BAD_SIGNATURE)
    for number in (0, 4):
        point = SMALL_ORDER[number]
        anybody = raw_presentation(phone_code_for(point), HOLDER, kid=kid_of(point))
        forged = anybody[:-64] + SMALL_ORDER[0] + bytes(32)
        about = "A holder key of small order: anybody could sign."
        yield outcome_is(f"C050-small-order-holder-{number}", about, forged, Reason.BAD_SIGNATURE)


def _statuses() -> Iterator[Vector]:
    for name, index, reason in (
        ("withdrawn", 1, Reason.WITHDRAWN),
        ("superseded", 2, Reason.SUPERSEDED),
        ("C082-value-3", 3, Reason.STATUS_UNKNOWN),
        ("C082-index-last", DEFAULT_ENTRIES - 1, Reason.ADMITTED),
        ("C082-index-size", DEFAULT_ENTRIES, Reason.STATUS_UNKNOWN),
        ("C082-index-size-and-one", DEFAULT_ENTRIES + 1, Reason.STATUS_UNKNOWN),
        ("C082-index-largest", 2**20 - 1, Reason.STATUS_UNKNOWN),
    ):
        yield outcome_is(name, f"Entry {index} of list 1.", paper(cti=Cti(1, index)), reason)
    for name, list_number, reason in (
        ("C088-status-list-missing", MISSING, Reason.NO_STATUS),
        ("C088-status-list-24-h", OLDEST, Reason.ADMITTED),
        ("C088-status-list-older", TOO_OLD, Reason.STALE_STATUS),
        ("C088-status-list-ended", ENDED, Reason.STALE_STATUS),
    ):
        yield outcome_is(name, f"List {list_number}.", paper(cti=Cti(list_number, 9)), reason)
