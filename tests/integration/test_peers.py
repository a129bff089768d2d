"""Other people's COSE libraries: they read what we sign, and we admit what they sign."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.codes.lists import SPREAD_S
from issuer.codes.pseudonym import LIST_SIZE
from issuer.publication.publish import Publisher
from keys.lifecycle import Purpose
from tests import issuing_support
from tests.code_support import DAY_S, NOW, SHAANXI, World, paper_code, phone_code, seed
from tests.peers_support import PEERS_MISSING, Peers, peers
from verifier.check import VENUE, Reason, check
from verifier.claims import Claims, Colour, Cti, encode_claims, parse_code, sign_code
from verifier.statuslist import Status, verify_status_list
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


def test_peer_reads_every_entry_of_a_list_that_the_issuer_published(
    worker: Peers, tmp_path: Path
) -> None:
    """token-status-list, another's reader of the IETF's lists, reads each entry as we do."""
    key, folder = issuing_support.signer(Purpose.STATUS.value), tmp_path / "public"
    at = issuing_support.NOW
    url = f"sqlite:///{tmp_path / 'issuer.db'}"
    with issuing_support.desk(url, tmp_path, authority=issuing_support.authority()) as office:
        office.residents(40)
        made = office.paper(*range(40))
        office.record(*(issuing_support.contact(number) for number in range(30)))
        Publisher(office.writer, folder, key).publish_all(b"", now=at + SPREAD_S)
        trust = office.writer.authority.trust
    number = parse_code(made[0].codes[0]).list_number
    token = (folder / f"status/{number}.cwt").read_bytes()
    held = verify_status_list(token, trust, now=at + SPREAD_S)
    answer = worker.ask("statuses", data=token.hex(), public_key=key.public_key.hex())
    read = bytes.fromhex(answer["statuses"])
    assert read == bytes(held.status(index) for index in range(held.size))
    assert len(read) == LIST_SIZE
    ours = [parse_code(one.codes[0]) for one in made]
    for person, code in enumerate(ours):
        if code.list_number == number:
            assert read[code.status_index] == (Status.SUPERSEDED if person < 30 else Status.VALID)


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
