"""Writes tests/vectors/base45/ and cbor/: what lies below every format, by itself.

python -m tests.vectors.generate_encodings
"""

from collections.abc import Iterator
from typing import Any, Final

from keys import cbor
from tests.shared_vectors import read_json
from tests.vectors.cases import Case, files, replace_folder

__all__ = ["DEFECTS", "base45_cases", "cbor_cases"]

#: Items in hexadecimal that are not CBOR of the profile.
DEFECTS: Final = {
    "C14-trailing-byte": "0000",
    "C15-two-items": "a10102a10102",
    "C16-duplicate-key": "a201010102",
    "C17-key-as-float-too": "a20100f93c0000",
    "C17-key-as-true-too": "a20100f500",
    "C18-indefinite-map": "bf0102ff",
    "C18-indefinite-array": "9f01ff",
    "C18-indefinite-bytes": "5f4101ff",
    "C18-indefinite-text": "7f6161ff",
    "C19-long-zero": "1800",
    "C19-long-length": "580101",
    "C19-long-map-head": "b8010102",
    "C20-unsorted-keys": "a202000100",
    "C21-depth-9": "81" * 9 + "00",
    "C21-depth-400": "81" * 400 + "00",
    "C21-depth-100000": "81" * 100_000 + "00",
    "C22-length-2-32": "5b000000010000000000",
    "C22-length-2-40": "5b000001000000000000",
    "C22-array-length-2-62": "9b400000000000000000",
    "C22-map-length-2-62": "bb400000000000000000",
    "C22-text-length-2-62": "7b400000000000000000",
    "C23-shared-self-reference": "d81c81d81d00",
    "C24-string-reference": "d9010082636161 61d81900".replace(" ", ""),
    "C25-bignum": "c249010000000000000000",
    "C25-bignum-1000-bytes": "c25903e8" + "01" * 1000,
    "C26-date-text": "c074323032302d31322d31335430303a30303a30305a",
    "C26-date-epoch": "c11a5fd55c80",
    "C26-date-days": "d8641948a6",
    "C26-date-full": "d903ec6a323032302d31322d3133",
    "C27-regular-expression": "d82363612a2b",
    "C27-mail": "d8246161",
    "C28-set": "d9010281 01".replace(" ", ""),
    "C28-self-described": "d9d9f700",
    "C28-unknown-tag": "d9fffe00",
    "C29-nan": "f97e00",
    "C29-infinity": "f97c00",
    "C29-minus-zero": "f98000",
    "C29-float-for-integer": "f93c00",
    "C30-undefined": "f7",
    "C30-simple-32": "f820",
    "C30-simple-1-long": "f801",
    "C30-reserved-28": "1c",
    "C30-reserved-29": "fd",
    "C30-reserved-30": "fe",
    "C30-lone-break": "ff",
    "C31-invalid-utf8": "62c328",
    "C31-lone-surrogate": "63eda080",
    "C32-map-as-key": "a1a00000",
    "C32-array-as-key": "a18000",
    "C32-bytes-as-key": "a1410000",
    "C32-null-as-key": "a1f600",
    "integer-2-53": "1b0020000000000000",
    "integer-minus-2-53-minus-1": "3b0020000000000000",
    "integer-2-64-minus-1": "1bffffffffffffffff",
    "empty": "",
}
_DEPTH_8: Any = 0
for _ in range(8):
    _DEPTH_8 = [_DEPTH_8]
GOOD: Final = {
    "zero": 0,
    "largest-in-the-head": 23,
    "smallest-behind-the-head": 24,
    "two-bytes": 256,
    "minus-one": -1,
    "minus-257": -257,
    "largest": cbor.MAX_INT,
    "smallest": -cbor.MAX_INT,
    "no-bytes": b"",
    "bytes-24": bytes(24),
    "no-text": "",
    "chinese": "陕西省",
    "beyond-the-basic-plane": "\U00020000",
    "nul-in-text": "\0",
    "true-false-null": [True, False, None],
    "empty-array": [],
    "empty-map": {},
    "map-in-order": {10: 0, 100: 0, -1: 0, "z": 0, "aa": 0},
    "depth-8": _DEPTH_8,
}


def base45_cases() -> Iterator[Case]:
    """RFC 9285's examples, those of its errors, and each other way to be no base45."""
    published = read_json("base45/rfc9285.json")
    for number, item in enumerate(published["roundtrip"]):
        answer: dict[str, object] = {"result": "accepted", "hex": item["hex"]}
        yield _base45(f"rfc9285-{number}", "An example of RFC 9285.", item["base45"], answer)
    for number, item in enumerate(published["reject"]):
        refused: dict[str, object] = {"result": "TransportError"}
        yield _base45(f"bad-{number}", item["why"], item["base45"], refused)


def _base45(name: str, about: str, text: str, answer: dict[str, object]) -> Case:
    return Case("base45", name, about, answer, {"text.txt": text.encode()})


def cbor_cases() -> Iterator[Case]:
    """Values of every kind, and every defect; one of them may pass where order is waived."""
    for name, value in GOOD.items():
        yield _cbor(f"good-{name}", "Of the profile.", cbor.encode(value))
    for name, item in DEFECTS.items():
        yield _cbor(name, "Not of the profile.", bytes.fromhex(item), result="CborError")
    waived = bytes.fromhex(DEFECTS["C20-unsorted-keys"])
    yield _cbor("good-unsorted-keys-waived", "As others' lists may be.", waived, ordered=False)
    twice = bytes.fromhex(DEFECTS["C16-duplicate-key"])
    about = "Where order is waived, a key still stands once."
    yield _cbor("C16-duplicate-key-waived", about, twice, result="CborError", ordered=False)


def _cbor(
    name: str, about: str, item: bytes, *, result: str = "accepted", ordered: bool = True
) -> Case:
    return Case("cbor", name, about, {"result": result}, {"item.cbor": item}, {"ordered": ordered})


if __name__ == "__main__":
    replace_folder("base45", files(base45_cases()))
    replace_folder("cbor", files(cbor_cases()))
