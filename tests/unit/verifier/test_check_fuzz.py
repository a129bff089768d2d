"""The fuzzer finds nothing in a short run, and would find a decoder that differs."""

import pytest

from tests.fuzz import partner
from tests.fuzz.__main__ import run


def test_fuzz_short_run_finds_no_disagreement() -> None:
    """The run of 10 million inputs is a command; this keeps it working."""
    assert run(5_000, seed=20201213) == 0


@pytest.mark.parametrize("decoder", ["decode_code", "decode_presentation", "decode_text"])
def test_fuzz_a_decoder_that_refuses_everything_is_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], decoder: str
) -> None:
    """A fuzzer that cannot fail proves nothing."""
    monkeypatch.setattr(partner, decoder, lambda _: None)
    assert run(2_000, seed=1) == 1
    assert "disagree" in capsys.readouterr().out
