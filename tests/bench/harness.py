"""Interleaved medians: all contenders of a comparison run in turn, round after round.

A slow moment of the machine then hits every contender alike, and the ratio of the medians holds
where the times themselves do not.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Row", "at_least", "at_most", "interleaved", "stated"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report: what was measured, and the target where there is one."""

    name: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None


def at_most(name: str, value: float, limit: float, unit: str = "x") -> Row:
    return Row(name, value, unit, f"<= {limit:g}", value <= limit)


def at_least(name: str, value: float, limit: float, unit: str = "x") -> Row:
    return Row(name, value, unit, f">= {limit:g}", value >= limit)


def stated(name: str, value: float, unit: str) -> Row:
    """A number without a target."""
    return Row(name, value, unit)


def interleaved(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int = 31, number: int = 200
) -> dict[str, float]:
    """Median seconds of one call of each contender, over *rounds* rounds of *number* calls."""
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        call()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in contenders.items():
                start = time.perf_counter()
                for _ in range(number):
                    call()
                samples[name].append((time.perf_counter() - start) / number)
    finally:
        gc.enable()
    return {name: statistics.median(values) for name, values in samples.items()}
