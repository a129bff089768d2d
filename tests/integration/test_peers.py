"""Other people's COSE libraries: they read what we sign, and we admit what they sign."""

from collections.abc import Iterator

import pytest

from tests.code_support import DAY_S, NOW, SHAANXI, World, paper_code, phone_code, seed
from tests.peers_support import PEERS_MISSING, Peers, peers
from verifier.check import VENUE, Reason, check
from verifier.claims import Claims, Colour, Cti, encode_claims, parse_code, sign_code
from verifier.transport import encode_text

LIBRARIES = ["pycose", "cwt"]


@pytest.fixture(scope="module")
def worker() -> Iterator[Peers]:
    try:
        with peers() as asked:
            yield asked
    except FileNotFoundError:
        pytest.fail(PEERS_MISSING, pytrace=False)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("code", [paper_code(), phone_code()], ids=["paper", "phone"])
def test_peer_verifies_a_code_made_here(worker: Peers, library: str, code: bytes) -> None:
    """Both libraries verify a code and find the payload and the kid that we signed."""
    key = SHAANXI.code_signer
    answer = worker.ask("verify", data=code.hex(), public_key=key.public_key.hex())
    assert parse_code(code).signed.endswith(bytes.fromhex(answer[library]))
    assert answer["kid"] == key.kid.hex()
    assert "-65537: 0" in answer["claims"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_peer_verifies_a_status_list_made_here(worker: Peers, library: str) -> None:
    """Both libraries verify a status list token and read its claims."""
    token = World().tokens()[1]
    key = SHAANXI.status_signer
    answer = worker.ask("verify", data=token.hex(), public_key=key.public_key.hex())
    assert bytes.fromhex(answer[library]) in token
    assert SHAANXI.uri(1) in answer["claims"]
    assert answer["kid"] == key.kid.hex()


@pytest.mark.parametrize("library", LIBRARIES)
def test_peer_refuses_a_code_with_a_flipped_bit(worker: Peers, library: str) -> None:
    """The peers do look at the signature: the tests above could fail."""
    code = bytearray(paper_code())
    code[-1] ^= 1
    key = SHAANXI.code_signer.public_key
    answer = worker.ask("verify", data=bytes(code).hex(), public_key=key.hex())
    assert answer[library] == "refused"


@pytest.mark.parametrize("library", LIBRARIES)
def test_code_made_by_a_peer_with_our_key_is_admitted(worker: Peers, library: str) -> None:
    """The peer's own encoder, given our key, makes a code that we admit, byte for byte ours."""
    claims = Claims(NOW + 3 * DAY_S, Cti(1, 4711), Colour.GREEN)
    key = SHAANXI.code_signer
    answer = worker.ask(
        "sign",
        seed=seed("610000 code").hex(),
        public_key=key.public_key.hex(),
        kid=key.kid.hex(),
        exp=claims.exp,
        cti=claims.cti.encode().hex(),
        colour=claims.colour.value,
    )
    code = bytes.fromhex(answer[library])
    assert code == sign_code(claims, key)
    assert encode_claims(claims) in code
    outcome = check(encode_text(code), World().lists(), now=NOW, policy=VENUE)
    assert outcome.reason is Reason.ADMITTED
