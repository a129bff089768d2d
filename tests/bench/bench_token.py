"""Signing through a PKCS#11 token (SoftHSM), beside the bare binding and the file keystore.

A set of codes is made as the issuer does: claims encoded and signed, each code checked as a door
would. The bare binding signs as many messages of the same length, and does nothing else.

SoftHSM needs our processor, so checking beside it makes it slower than the bare binding is, unless
a second core is wholly free. How much of the time the token signs is printed beside that ratio: it
tells a token that waits for us from one that is slower, and has no target.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pkcs11
from pkcs11 import Mechanism, ObjectClass
from pkcs11.types import SignMixin

from issuer.codes.mint import mint, self_check
from issuer.codes.pipeline import mint_checked
from issuer.storage.core import Authority
from keys import token
from keys.cose import MessageSigner
from keys.keyring import TokenKeyring, TokenPlace, open_token
from keys.kid import thumbprint
from keys.lifecycle import KeyState, Purpose
from keys.recorded import KeySigner
from keys.trustlist import ListedKey
from tests.bench.harness import Row, at_least, interleaved, stated
from tests.issuing_support import NOW, authority, signer
from tests.keystore_support import make_store
from tests.token_support import soft_hsm
from verifier.claims import Claims, Colour, Cti

SET: Final = 256
#: So many that a neighbour who takes a core for some seconds does not decide.
ROUNDS: Final = 51
DAY_S: Final = 86_400
EXP: Final = NOW // 3600 * 3600 + 7 * DAY_S
#: As long as what is signed for a paper code: a Sig_structure with 20 bytes of payload.
MESSAGE: Final = bytes(45)
WANTED: Final = [Claims(EXP, Cti(1000, place), Colour.GREEN) for place in range(SET)]


@dataclass(frozen=True, slots=True)
class Bench:
    signer: KeySigner
    bare: Callable[[], None]


def run() -> Iterator[Row]:
    """The rows of the report."""
    with tempfile.TemporaryDirectory() as name, _soft_hsm(Path(name)) as bench:
        in_token, in_file = _authority(bench.signer), _authority(signer(Purpose.CODE.value))

        def one_after_the_other() -> None:
            self_check(mint(WANTED, in_token.code_keys * SET), WANTED, in_token, now=NOW)

        times = interleaved(
            {
                "bare": bench.bare,
                "signer": lambda: _sign(bench.signer),
                "file": lambda: _sign(in_file.code_keys[0]),
                "set": lambda: _minted(in_token),
                "plain": one_after_the_other,
                "set, file": lambda: _minted(in_file),
            },
            rounds=ROUNDS,
            number=1,
        )
        share = statistics.median(_share_of_token(lambda: _minted(in_token)) for _ in range(ROUNDS))
    rates = {name: SET / seconds for name, seconds in times.items()}
    over_bare = {name: rate / rates["bare"] for name, rate in rates.items()}
    yield stated("bare binding", rates["bare"], "sign/s")
    yield stated("our signer", rates["signer"], "sign/s")
    yield at_least("our signer over the bare binding", over_bare["signer"], 0.8)
    yield stated(f"sets of {SET} codes, minted and checked", rates["set"], "codes/s")
    yield at_least("  over the bare binding, which has the processor alone", over_bare["set"], 0.8)
    yield stated("  part of the time in which the token signs", share, "")
    yield stated("  the same if signing waited for checking", over_bare["plain"], "x")
    yield stated("file keystore's signer over the token's", rates["file"] / rates["signer"], "x")
    yield stated("its sets over the token's", rates["set, file"] / rates["set"], "x")


@contextmanager
def _soft_hsm(folder: Path) -> Iterator[Bench]:
    """A key in a token by our way, and the same key by the binding alone."""
    with soft_hsm() as hsm:
        place = hsm.new_token()
        with open_token(place) as opened:
            ring = TokenKeyring(make_store(folder / "keystore"), opened)
            made = ring.new(Purpose.CODE, "610000", NOW, NOW + 30 * DAY_S, now=NOW)
            ring.move(made.kid, KeyState.ACTIVE, NOW)
            ours = ring.signer(made.kid, purpose=Purpose.CODE, region="610000", clock=lambda: NOW)
            yield Bench(ours, _bare(place, made.public_key))


def _bare(place: TokenPlace, public_key: bytes) -> Callable[[], None]:
    """In a session beside ours, which is logged in for the whole process."""
    session = pkcs11.lib(str(place.module)).get_token(token_label=place.label).open()
    key = session.get_key(ObjectClass.PRIVATE_KEY, id=thumbprint(public_key))

    def sign() -> None:
        for _ in range(SET):
            key.sign(MESSAGE, mechanism=Mechanism.EDDSA)  # type: ignore[attr-defined] # a private key

    return sign


def _share_of_token(call: Callable[[], object]) -> float:
    """The part of a call's time that is spent inside the token."""
    inside = 0.0

    def timed(key: SignMixin, message: bytes) -> bytes:
        nonlocal inside
        begun = time.perf_counter()
        signature = sign(key, message)
        inside += time.perf_counter() - begun
        return signature

    sign = token._sign  # the innermost call, around the binding's own
    with patch.object(token, "_sign", timed):
        begun = time.perf_counter()
        call()
        return inside / (time.perf_counter() - begun)


def _minted(authority: Authority) -> list[bytes]:
    return mint_checked(WANTED, authority.code_keys * SET, authority, now=NOW)


def _sign(by: MessageSigner) -> None:
    for _ in range(SET):
        by.sign(MESSAGE)


def _authority(by: KeySigner) -> Authority:
    """An issuer whose one code key is *by*'s."""
    made = authority()
    key = ListedKey(by.public_key, Purpose.CODE, NOW - DAY_S, NOW + 30 * DAY_S)
    others = tuple(key for key in made.issuer.keys if key.purpose is not Purpose.CODE)
    issuer = replace(made.issuer, keys=(key, *others))
    trust = replace(made.trust, issuers=(issuer,))
    return replace(made, issuer=issuer, trust=trust, code_keys=(by,))
