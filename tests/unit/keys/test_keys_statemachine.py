"""The life of keys as a state machine: random lives, in both keyrings, against a model in memory.

Two openings of one keyring take turns, as two processes would; signers stay open all the time.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from keys import ed25519
from keys.errors import KeyLifecycleError, KeyTransitionError
from keys.keyring import Keyring, TokenKeyring, TokenPlace, open_token
from keys.lifecycle import ALLOWED_MOVES, KeyState, Purpose
from keys.recorded import RecordedSigner
from keys.store import Keystore
from tests.keystore_support import PASSPHRASE, make_store

REGIONS = ("610000", "230000")
PURPOSES = (Purpose.CODE, Purpose.STATUS)


@dataclass
class Life:
    """What must be true of one key."""

    purpose: Purpose
    region: str
    begin: int
    end: int
    history: list[KeyState] = field(default_factory=lambda: [KeyState.PRE_ACTIVATION])
    published_at: int | None = None

    def signs(self, purpose: Purpose, region: str, now: int) -> bool:
        right = (self.purpose, self.region) == (purpose, region)
        return right and self.history[-1] is KeyState.ACTIVE and self.begin <= now < self.end


class Lives(RuleBasedStateMachine):
    """Make, move, publish, open and sign, in any order, while time goes on."""

    keys = Bundle("keys")
    signers = Bundle("signers")

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(TemporaryDirectory())) / "keystore"
        token = self.place()
        make_store(folder)
        self._rings = [self._open(folder, token) for _ in range(2)]
        self._lives: dict[bytes, Life] = {}
        self._now = 100

    @staticmethod
    def place() -> TokenPlace | None:
        """An empty token for this run, or None: a folder alone."""
        return None

    def _open(self, folder: Path, place: TokenPlace | None) -> Keyring:
        store = Keystore.open(folder, PASSPHRASE)
        if place is None:
            return store
        return TokenKeyring(store, self._stack.enter_context(open_token(place)))

    def teardown(self) -> None:
        self._stack.close()

    @rule(
        target=keys,
        process=st.sampled_from([0, 1]),
        purpose=st.sampled_from(PURPOSES),
        region=st.sampled_from(REGIONS),
        begin=st.integers(80, 120),
        length=st.integers(1, 60),
    )
    def make(self, process: int, purpose: Purpose, region: str, begin: int, length: int) -> bytes:
        made = self._rings[process].new(purpose, region, begin, begin + length, now=self._now)
        self._lives[made.kid] = Life(purpose, region, begin, begin + length)
        return made.kid

    @rule(process=st.sampled_from([0, 1]), kid=keys, state=st.sampled_from(KeyState))
    def move(self, process: int, kid: bytes, state: KeyState) -> None:
        life = self._lives[kid]
        if state in ALLOWED_MOVES[life.history[-1]]:
            self._rings[process].move(kid, state, self._now)
            life.history.append(state)
        else:
            with pytest.raises(KeyTransitionError):
                self._rings[process].move(kid, state, self._now)

    @rule(process=st.sampled_from([0, 1]), kid=keys)
    def activate(self, process: int, kid: bytes) -> None:
        """The one move without which lives are short; `move` alone finds it too seldom."""
        self.move(process, kid, KeyState.ACTIVE)

    @rule(process=st.sampled_from([0, 1]), kid=keys, at=st.integers(0, 200))
    def publish(self, process: int, kid: bytes, at: int) -> None:
        self._rings[process].published(kid, at)
        self._lives[kid].published_at = at

    @rule(seconds=st.integers(1, 15))
    def wait(self, seconds: int) -> None:
        self._now += seconds

    @rule(
        target=signers,
        process=st.sampled_from([0, 1]),
        kid=keys,
        purpose=st.sampled_from(PURPOSES),
        region=st.sampled_from(REGIONS),
    )
    def open(
        self, process: int, kid: bytes, purpose: Purpose, region: str
    ) -> tuple[RecordedSigner, Purpose, str, int] | None:
        life = self._lives[kid]

        def opened() -> RecordedSigner:
            return self._rings[process].signer(
                kid, purpose=purpose, region=region, clock=lambda: self._now
            )

        if not life.signs(purpose, region, max(self._now, life.begin)):
            with pytest.raises(KeyLifecycleError):
                opened()
            return None
        return opened(), purpose, region, len(life.history)

    @rule(opened=signers)
    def sign(self, opened: tuple[RecordedSigner, Purpose, str, int] | None) -> None:
        """A signer opened at any time before signs exactly if its key may, and never moved."""
        if opened is None:
            return
        signer, purpose, region, moves = opened
        life = self._lives[signer.kid]
        may = life.signs(purpose, region, self._now) and len(life.history) == moves
        assert signer.may_sign(self._now) is may
        if may:
            ed25519.verify(signer.sign(b"message"), b"message", signer.public_key)
        else:
            with pytest.raises(KeyLifecycleError):
                signer.sign(b"message")

    @rule(opened=consumes(signers))
    def forget(self, opened: object) -> None:
        """A signer that nobody uses any more changes nothing."""

    @invariant()
    def both_processes_see_every_record_as_it_is(self) -> None:
        for ring in self._rings:
            infos = {info.kid: info for info in ring.held()}
            assert infos.keys() == self._lives.keys()
            for kid, life in self._lives.items():
                assert [moved.state for moved in infos[kid].history] == life.history
                assert infos[kid].published_at == life.published_at
                assert infos[kid] == ring.info(kid)


@pytest.mark.parametrize("kind", ["folder", "token"])
def test_any_life_of_keys_is_the_same_in_both_keyrings(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Whatever is done in whatever order: allowed moves happen, others do not, and a key signs
    exactly while it is active, in its window, for its purpose and region, and as it was opened.
    """
    lives: type[Lives] = Lives
    examples = 40
    if kind == "token":
        hsm = request.getfixturevalue("hsm")

        class InToken(Lives):
            @staticmethod
            def place() -> TokenPlace:
                made: TokenPlace = hsm.new_token()
                return made

        lives, examples = InToken, 8
    run_state_machine_as_test(
        lives,
        settings=settings(max_examples=examples, stateful_step_count=30, deadline=None),
    )
