"""Inputs for the fuzzer: good codes, damaged by chance or rebuilt with one odd part."""

from random import Random
from typing import Final

from tests.cbor_support import byte_string, envelope, head, protected
from tests.code_support import HEILONGJIANG, NOW, paper_code, phone_code, signer
from verifier.claims import Colour, Cti
from verifier.presentation import sign_presentation

__all__ = ["SEEDS", "Mutator"]

_PHONE: Final = [phone_code(cti=Cti(1, index), holder=f"holder {index}") for index in range(3)]
#: Good codes and presentations.
SEEDS: Final = [
    *(paper_code(cti=Cti(1, index), colour=colour) for index, colour in enumerate(Colour)),
    paper_code(HEILONGJIANG),
    *_PHONE,
    *(
        sign_presentation(code, signer(f"holder {index}"), now=NOW)
        for index, code in enumerate(_PHONE)
    ),
]

_ODD_HEX: Final = """
    00 01 02 03 17 1800 1817 1818 190000 1900FF 1A00000000 1A0000FFFF 1A00010000 1A5FD591C0
    1AFFFFFFFF 1B0000000000000000 1B00000000FFFFFFFF 1BFFFFFFFFFFFFFFFF 20 27 32 3A00010000
    40 4100 5800 60 6161 62C328 80 8100 9F A0 A10000 BF C11A5FD591C0 C249010000000000000000
    D2 D81C00 D81D00 D82360 D901008100 D9D9F700 F4 F5 F6 F7 F800 F820 F90000 F93C00 F97E00
    FA4EBFAB23 FB41D7F56470000000 FF 5F41004100FF 7F6161FF
"""
_ODD_ITEMS: Final = [bytes.fromhex(item) for item in _ODD_HEX.split()]


class Mutator:
    """Makes inputs from a seed: the same seed, the same inputs."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - chance to be repeated, not a secret
        self._ways = [
            self._flip_bit,
            self._set_byte,
            self._insert,
            self._delete,
            self._truncate,
            self._copy_piece,
            self._splice,
            self._odd_item,
        ]

    def data(self) -> bytes:
        """One input: rebuilt in one case of four, else a seed damaged one to three times."""
        random = self._random
        if random.random() < 0.25:
            return self._rebuilt()
        data = random.choice(SEEDS)
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            data = random.choice(self._ways)(data)
        return data

    def text(self, text: str) -> str:
        """*text* with one character changed, added or lost."""
        random = self._random
        place = random.randrange(len(text) + 1)
        other = random.choice("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:az\n\t\0\u0661\uff1a")
        return text[:place] + random.choice((other, "")) + text[place + random.randrange(2) :]

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    # --- damage -----------------------------------------------------------------------------------

    def _place(self, data: bytes) -> int:
        return self._random.randrange(len(data)) if data else 0

    def _flip_bit(self, data: bytes) -> bytes:
        place = self._place(data)
        flipped = data[place : place + 1].translate(_FLIP[self._random.randrange(8)])
        return data[:place] + flipped + data[place + 1 :]

    def _set_byte(self, data: bytes) -> bytes:
        place = self._place(data)
        return data[:place] + self._random.randbytes(1) + data[place + 1 :]

    def _insert(self, data: bytes) -> bytes:
        place = self._place(data)
        return data[:place] + self._random.randbytes(self._random.randint(1, 4)) + data[place:]

    def _delete(self, data: bytes) -> bytes:
        place = self._place(data)
        return data[:place] + data[place + self._random.randint(1, 4) :]

    def _truncate(self, data: bytes) -> bytes:
        return data[: self._place(data)]

    def _copy_piece(self, data: bytes) -> bytes:
        start, to = self._place(data), self._place(data)
        piece = data[start : start + self._random.randint(1, 16)]
        return data[:to] + piece + data[to + len(piece) :]

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(SEEDS)
        place = self._place(data)
        return data[:place] + other[place:]

    def _odd_item(self, data: bytes) -> bytes:
        place = self._place(data)
        item = self._random.choice(_ODD_ITEMS)
        return data[:place] + item + data[place + self._random.choice((0, 1, len(item))) :]

    # --- rebuilding -------------------------------------------------------------------------------

    def _rebuilt(self) -> bytes:
        """An envelope of chosen parts: mostly right ones, so that both decoders get far."""
        random = self._random
        payload = self._payload()
        if random.random() < 0.2:
            inner = self._envelope(payload)
            time = random.choice((head(0, NOW), head(0, random.getrandbits(33)), self._item()))
            payload = b"\x82" + time + byte_string(inner)
        return self._envelope(payload)

    def _envelope(self, payload: bytes) -> bytes:
        random = self._random
        header = protected(random.randbytes(4))
        if random.random() < 0.1:
            header = self._odd_item(header)
        signature = random.randbytes(random.choice((64, 64, 64, 64, 64, 64, 64, 63, 65)))
        unprotected = b"\xa0" if random.random() < 0.95 else self._item()
        return envelope(header, unprotected, payload, signature)

    def _payload(self) -> bytes:
        random = self._random
        hours = head(0, random.getrandbits(21) * 3600)
        exp = random.choice((hours, hours, hours, head(0, random.getrandbits(33)), self._item()))
        cti = byte_string(random.randbytes(random.choice((5, 5, 5, 5, 4, 6))))
        colour = head(0, random.choice((0, 1, 2, 2, 3)))
        members = [b"\x04" + exp, b"\x07" + cti, b"\x3a\x00\x01\x00\x00" + colour]
        if random.random() < 0.5:
            key = byte_string(random.randbytes(random.choice((32, 32, 32, 31))))
            members.insert(2, b"\x08\xa1\x01\xa3\x01\x01\x20\x06\x21" + key)
        if random.random() < 0.1:
            random.shuffle(members)
        if random.random() < 0.1:
            members[random.randrange(len(members))] = self._item() + self._item()
        return head(5, len(members)) + b"".join(members)

    def _item(self) -> bytes:
        return self._random.choice(_ODD_ITEMS)


_FLIP: Final = [bytes(octet ^ 1 << bit for octet in range(256)) for bit in range(8)]
