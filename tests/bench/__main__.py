"""`python -m tests.bench [AREA ...]`: run the benchmarks and print one table.

An area is a module `bench_AREA.py` here with a function `run() -> Iterable[Row]`.
"""

import importlib
import sys
from pathlib import Path

from tests.bench.harness import Row


def _areas() -> list[str]:
    return sorted(
        path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py")
    )


def _line(row: Row) -> str:
    mark = {None: "", True: "met", False: "MISSED"}[row.met]
    return f"{row.name:<64} {row.value:>12,.3f} {row.unit:<8} {row.target:<10} {mark}".rstrip()


def main(wanted: list[str]) -> int:
    missed = 0
    for area in wanted or _areas():
        print(f"\n{area}")
        for row in importlib.import_module(f"tests.bench.bench_{area}").run():
            print("  " + _line(row), flush=True)
            missed += row.met is False
    print(f"\n{missed} missed" if missed else "\nall targets met")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
