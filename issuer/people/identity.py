"""What a person is known by, in the one form that is stored and looked up. Pure.

Two spellings of one name, phone or identity number meet here or are refused here; nothing else in
the tree cleans such a value. Refusals name the field and the rule, never the value.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Final

import phonenumbers
from stdnum.cn import ric
from stdnum.exceptions import ValidationError

from issuer.colour.regions import load_regions
from issuer.errors import InputError
from issuer.people.problems import Problem

__all__ = [
    "MAX_NAME_CHARS",
    "Identity",
    "birth_date",
    "normalise",
    "normalise_identity_number",
    "normalise_name",
    "normalise_phone",
]

MAX_NAME_CHARS: Final = 100
_MAX_MARKS: Final = 2  # combining marks in a row; Vietnamese needs two before NFC

# Full-width forms of ASCII, as Chinese input methods type them.
_NARROW: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20,
    0xA0: 0x20,
}
# Look-alikes of the dot and the apostrophe inside names: one spelling each.
_ONE_SPELLING: Final = dict.fromkeys(
    map(ord, "\u2022\u30fb\u2027\u2219\uff65"), "\u00b7"
) | dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'")
_NAME_SIGNS: Final = frozenset("\u00b7-'. \u3007")
# Letters by category that show nothing: Hangul fillers.
_INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0")
# Variation selectors change no letter, so they would make one person two.
_SELECTORS: Final = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0), range(0x180B, 0x1810))
# The Han planes. Extensions newer than this Python's Unicode tables are names of living people.
_HAN_PLANES: Final = range(0x20000, 0x3FFFE)

_PHONE_FORM: Final = re.compile(r"\+?[0-9][0-9 ()-]{4,24}", re.ASCII)
_IDENTITY_FORM: Final = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
# How the residence permit of a person from Taiwan begins; no division of GB/T 2260 does.
_TAIWAN_PERMIT: Final = "83"
_MOBILE: Final = frozenset(
    {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
)


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """Normalised values only. Somebody without a phone has no *phone*."""

    name: str
    phone: str | None = None
    identity_number: str | None = None


def normalise(
    name: str, phone: str | None, identity_number: str | None, *, today: date
) -> Identity:
    """The identity that these spell.

    Raises:
        InputError: One of them is refused.
    """
    return Identity(
        normalise_name(name),
        None if phone is None else normalise_phone(phone),
        None
        if identity_number is None
        else normalise_identity_number(identity_number, today=today),
    )


def normalise_name(text: str) -> str:
    """The name in NFC with one spelling of dots, spaces and apostrophes; case as given.

    Any letter of any script is a name's letter, Han beyond the basic plane included.

    Raises:
        InputError: Empty, longer than 100 characters, or with characters that no name has:
            digits, control and zero-width characters, direction overrides, private use.
    """
    spelled = text.translate(_NARROW).translate(_ONE_SPELLING)
    name = unicodedata.normalize("NFC", " ".join(spelled.split(" "))).strip(" ")
    if not name or len(name) > MAX_NAME_CHARS:
        raise InputError(Problem.NAME_LENGTH, "name")
    if "  " in name:
        name = re.sub(" +", " ", name)
    marks = 0
    for position, character in enumerate(name):
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        if (marks and position == 0) or marks > _MAX_MARKS or not _is_of_a_name(character):
            raise InputError(Problem.NAME_CHARACTER, "name")
    if not any(_is_letter(character) for character in name):
        raise InputError(Problem.NAME_CHARACTER, "name")
    return name


def _is_letter(character: str) -> bool:
    return (
        unicodedata.category(character).startswith("L")
        or ord(character) in _HAN_PLANES
        or character == "\u3007"
    ) and character not in _INVISIBLE


def _is_of_a_name(character: str) -> bool:
    if any(ord(character) in selectors for selectors in _SELECTORS):
        return False
    mark = unicodedata.category(character) in {"Mn", "Mc"}
    return character in _NAME_SIGNS or mark or _is_letter(character)


def normalise_phone(text: str) -> str:
    """A mobile number in E.164; numbers without a country are Chinese.

    Full-width and other decimal digits become ASCII ones; spaces, hyphens and brackets go.

    Raises:
        InputError: Not the number of a mobile phone, or with other characters.
    """
    digits = _with_plain_digits(text).strip(" ")
    if not _PHONE_FORM.fullmatch(digits):
        raise InputError(Problem.PHONE_FORM, "phone")
    try:
        number = phonenumbers.parse(digits, "CN")
    except phonenumbers.NumberParseException as error:
        raise InputError(Problem.PHONE_FORM, "phone") from error
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in _MOBILE:
        raise InputError(Problem.NOT_A_MOBILE, "phone")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _with_plain_digits(text: str) -> str:
    """Narrow, and every decimal digit of any script as the ASCII one."""
    return "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else character
        for character in text.translate(_NARROW)
    )


def normalise_identity_number(text: str, *, today: date) -> str:
    """The 18 characters of a resident identity number (GB 11643-1999), its check digit right.

    Does not check the county: a number is for life, and most of the elderly have one of a county
    that was renamed, merged or founded since they were born.

    Raises:
        InputError: Not such a number, or its birth date is after *today*.
    """
    number = _with_plain_digits(text).replace(" ", "").upper()
    if not _IDENTITY_FORM.fullmatch(number):
        raise InputError(Problem.IDENTITY_NUMBER_FORM, "identity_number")
    if not _is_a_province(number[:2]) or number[-1] != ric.calc_check_digit(number):
        raise InputError(Problem.IDENTITY_NUMBER_WRONG, "identity_number")
    try:
        born = birth_date(number)
    except ValidationError as error:
        raise InputError(Problem.IDENTITY_NUMBER_WRONG, "identity_number") from error
    if born > today:
        raise InputError(Problem.BIRTH_IN_FUTURE, "identity_number")
    return number


def _is_a_province(digits: str) -> bool:
    return digits == _TAIWAN_PERMIT or load_regions().is_division(f"{digits}0000")


def birth_date(identity_number: str) -> date:
    """The birth date inside a normalised identity number."""
    born: date = ric.get_birth_date(identity_number)
    return born
