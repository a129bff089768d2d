"""Codes out of pictures as phones take them, and what else people hand to a scanner (C10-C12)."""

import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import segno
from PIL import Image, ImageFilter

from tests.code_support import World, paper_code, phone_code, presentation
from tests.venue_support import Run, venue
from verifier.errors import PictureError, PictureUnreadableError
from verifier.images import MAX_PIXELS, read_texts
from verifier.transport import encode_text

CODE = encode_text(paper_code())
SHOWN = presentation(phone_code())


def qr(text: str | bytes, **options: object) -> Image.Image:
    """A QR code as it is printed: level M, eight pixels a module, its white margin."""
    made = segno.make_qr(text, **{"error": "m", "boost_error": False, **options})  # type: ignore[arg-type]
    buffer = io.BytesIO()
    made.save(buffer, kind="png", scale=8)
    return Image.open(buffer).convert("L")


def rotated(picture: Image.Image, degrees: float) -> Image.Image:
    return picture.rotate(degrees, expand=True, fillcolor=255, resample=Image.Resampling.BICUBIC)


def tilted(picture: Image.Image) -> Image.Image:
    """In perspective, as from below: the upper edge is a sixth shorter than the lower."""
    margin = picture.width // 6
    wide = Image.new("L", (picture.width + 2 * margin, picture.height + 2 * margin), 255)
    wide.paste(picture, (margin, margin))
    centre, h = wide.width / 2, 0.2 / wide.height
    plane = (1.2, centre * h, -0.2 * centre, 0, 1.2, 0, 0, h)
    bicubic = Image.Resampling.BICUBIC
    return wide.transform(wide.size, Image.Transform.PERSPECTIVE, plane, bicubic, fillcolor=255)


def noisy(picture: Image.Image) -> Image.Image:
    """Grain as in a badly lit entrance."""
    chance = random.Random(45)  # noqa: S311 - a picture, not a secret
    grain = Image.frombytes("L", picture.size, chance.randbytes(picture.width * picture.height))
    return Image.blend(picture, grain, 0.35)


def dim(picture: Image.Image) -> Image.Image:
    return picture.point([60 + value // 4 for value in range(256)])


def inverted(picture: Image.Image) -> Image.Image:
    return picture.point([255 - value for value in range(256)])


def on_a_wall(picture: Image.Image) -> Image.Image:
    """Small in a large photo."""
    wall = Image.new("L", (3000, 4000), 200)
    wall.paste(picture, (1700, 2500))
    return wall


PHOTOS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "straight": lambda picture: picture,
    "7 degrees": lambda picture: rotated(picture, 7),
    "90 degrees": lambda picture: rotated(picture, 90),
    "137 degrees": lambda picture: rotated(picture, 137),
    "upside down": lambda picture: rotated(picture, 180),
    "tilted": tilted,
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(3)),
    "noisy": noisy,
    "dim": dim,
    "dark mode": inverted,
    "on a wall": on_a_wall,
    "all at once": lambda picture: dim(rotated(tilted(picture), 12)).filter(
        ImageFilter.GaussianBlur(1.5)
    ),
}


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("text", [CODE, SHOWN], ids=["paper", "phone"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_read_texts_of_a_photo_gives_the_code(
    tmp_path: Path, text: str, name: str, suffix: str
) -> None:
    """Paper and phone codes are read rotated, tilted, blurred, noisy, dim and from afar."""
    path = tmp_path / f"photo{suffix}"
    PHOTOS[name](qr(text)).save(path, quality=40)  # of a JPEG; PNG has none
    assert read_texts(path) == (text,)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "LA", "I;16", "CMYK"])
def test_read_texts_in_each_colour_mode_gives_the_code(tmp_path: Path, mode: str) -> None:
    """Whatever program saved the picture, and also on transparent ground."""
    picture = qr(CODE)
    path = tmp_path / ("photo.jpg" if mode == "CMYK" else "photo.png")
    if mode in ("RGBA", "LA"):
        black = Image.new(mode, picture.size, 0)
        black.putalpha(inverted(picture))
        black.save(path)
    elif mode == "I;16":
        deep = bytes(twice for level in picture.tobytes() for twice in (level, level))
        Image.frombytes("I;16", picture.size, deep).save(path)
    else:
        picture.convert(mode).save(path)
    assert read_texts(path) == (CODE,)


@pytest.fixture
def door(tmp_path: Path) -> Run:
    return venue(tmp_path, World())


def photo(door: Run, picture: Image.Image, name: str = "photo.png") -> str:
    path = door.folder.parent / name
    picture.save(path)
    return str(path)


def test_check_of_a_photo_admits(door: Run) -> None:
    """A photo of a good code is worth as much as the code."""
    result = door(photo(door, rotated(qr(CODE), 20)))
    assert result.status == 0
    assert result.out.startswith("√ 可以通行 ADMIT")


def test_check_of_two_codes_in_view_asks_again(door: Run) -> None:
    """C11: nobody is admitted by a code beside theirs, not even by two good ones."""
    one = qr(CODE)
    both = Image.new("L", (2 * one.width, one.height), 255)
    both.paste(one, (0, 0))
    for other in (qr(SHOWN), qr("https://example.com")):
        both.paste(255, (one.width, 0, both.width, both.height))
        both.paste(other.resize((one.width, one.height)), (one.width, 0))
        result = door("--json", photo(door, both))
        assert result.status == 20
        assert '"reason": "several-codes"' in result.out


FOREIGN = {
    "C10 link": "https://example.com/CE1:",
    "C10 javascript": "javascript:alert(1)",
    "C10 telephone": "tel:+8612345",
    "C10 wifi": "WIFI:T:WPA;S:net;P:secret;;",
    "C8 Chinese": "健康码",
    "C6 newline": CODE + "\n",
    "C13 NUL": CODE + "\0",
    "C7 lower case": CODE.lower(),
    "C2 prefix": "HC1:" + CODE[4:],
}


@pytest.mark.parametrize("name", FOREIGN)
def test_check_of_another_qr_code_is_not_a_code(door: Run, name: str) -> None:
    """Whatever else a QR code says is not a code; it is not opened, and its text is not shown."""
    result = door("--json", photo(door, qr(FOREIGN[name].encode())))
    assert result.status == 30
    assert '"reason": "malformed"' in result.out
    assert "example.com" not in result.out + result.err
    assert "secret" not in result.out + result.err


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-5", "shift_jis"])
def test_check_of_a_qr_code_with_an_eci_is_not_a_code(door: Run, encoding: str) -> None:
    """C12: a code has no ECI, even where the characters would come out the same."""
    picture = qr(CODE, mode="byte", encoding=encoding, eci=True)
    assert door(photo(door, picture)).status == 30


def test_check_of_one_part_of_a_sequence_is_not_a_code(door: Run) -> None:
    """C12: a part of a structured append is not the code, whichever part it is."""
    for part in segno.make_sequence(CODE, version=4, error="m"):
        buffer = io.BytesIO()
        part.save(buffer, kind="png", scale=8)
        assert door(photo(door, Image.open(buffer))).status == 30


def test_check_of_a_photo_without_a_code_asks_for_another(door: Run) -> None:
    """No code in the photo is not a verdict on anybody: take it again."""
    result = door("--json", photo(door, Image.new("L", (400, 400), 128)))
    assert result.status == 20
    assert '"reason": "no-code-found"' in result.out
    assert "Take it again" in result.out


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_check_of_a_damaged_photo_asks_for_another(door: Run, suffix: str) -> None:
    """A photo cut at any place, or with bytes changed, is to be taken again, never a crash."""
    good = Path(photo(door, qr(CODE), f"good.{suffix}")).read_bytes()
    path = door.folder.parent / f"bad.{suffix}"
    chance = random.Random(7)  # noqa: S311 - not a secret
    for _ in range(40):
        cut = bytearray(good[: chance.randrange(20, len(good))])
        cut[chance.randrange(8, len(cut))] ^= 1 << chance.randrange(8)
        path.write_bytes(cut)
        result = door(str(path))
        assert result.status in (0, 2, 20, 30)
        assert result.status != 2 or "neither PNG nor JPEG" in result.err
        assert "error in this program" not in result.err
    path.write_bytes(good[: len(good) // 2])
    assert door("--json", str(path)).status == 20


def test_check_of_a_photo_that_unpacks_too_large_is_refused_unopened(door: Run) -> None:
    """A small file of a huge picture costs no memory: its header is enough to refuse it."""
    side = int(MAX_PIXELS**0.5) + 1
    path = photo(door, Image.new("1", (side, side)))
    assert Path(path).stat().st_size < 100_000
    with pytest.raises(PictureUnreadableError, match="pixels"):
        read_texts(Path(path))
    assert door("--json", path).status == 20


WRONG_FILES: dict[str, Callable[[Path], object]] = {
    "gif": lambda path: qr(CODE).save(path, format="GIF"),
    "bmp": lambda path: qr(CODE).save(path, format="BMP"),
    "webp": lambda path: qr(CODE).save(path, format="WEBP"),
    "svg": lambda path: segno.make_qr(CODE).save(str(path), kind="svg"),
    "text": lambda path: path.write_text(CODE),
    "empty": lambda path: path.write_bytes(b""),
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "missing": lambda _: None,
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_check_of_what_is_no_photo_says_so(door: Run, name: str) -> None:
    """A wrong file is the command line's fault, not the visitor's: status 2, and what it is."""
    path = door.folder.parent / "wrong.png"
    WRONG_FILES[name](path)
    result = door(str(path))
    assert (result.status, result.out) == (2, "")
    assert "wrong.png" in result.err
    with pytest.raises(PictureError):
        read_texts(path)


def test_check_of_several_photos_gives_a_line_each(door: Run) -> None:
    """Several photos are several verdicts, and the status is that of the worst."""
    good = photo(door, qr(CODE), "good.png")
    link = photo(door, qr("https://example.com"), "link.png")
    result = door(good, link)
    assert result.status == 30
    assert [line.split()[-1] for line in result.lines] == [f"[{good}]", f"[{link}]"]


def test_check_of_a_photo_with_a_hostile_name_prints_no_control_characters(door: Run) -> None:
    """A file's name cannot draw a verdict of its own on the terminal."""
    name = photo(door, qr("https://example.com"), "\x1b[2K\r√ ADMIT.png")
    result = door("--image", name)
    assert result.status == 30
    assert "\x1b" not in result.out
    assert "\r" not in result.out
