"""Codes out of photos: PNG and JPEG, by Pillow and zxing-cpp (the extra `scan`). Shell.

What a QR code says is handed on as bytes and never acted upon: a link is not opened, a number not
dialled. Which of the texts is a health code is not decided here.
"""

import stat
import warnings
from pathlib import Path
from typing import Final

import zxingcpp
from PIL import Image, UnidentifiedImageError

from verifier.errors import PictureError, PictureUnreadableError

__all__ = ["MAX_FILE_BYTES", "MAX_PIXELS", "read_texts"]

#: The largest phone photos have 20 MB and 200 megapixels; phones send them far smaller.
MAX_FILE_BYTES: Final = 32 * 1024 * 1024
MAX_PIXELS: Final = 64_000_000

_FORMATS: Final = ("PNG", "JPEG")
# AIM's symbology identifier of a plain QR code; "]Q2" has an ECI, which our codes never have.
_QR: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
_PLAIN_QR: Final = b"]Q1"


def read_texts(path: Path) -> tuple[str | None, ...]:
    """One entry for each QR code in view; None for one that cannot be a code by its kind.

    Bytes are read as Latin-1, one character each: what is not ASCII cannot pass for a code.
    zxing-cpp does not tell the parts of a structured append from whole codes; a part of a code is
    refused because it is cut short.

    Raises:
        PictureError: No such file, not a file, or neither PNG nor JPEG.
        PictureUnreadableError: It is one, but cut short, damaged or too large.
    """
    _check_file(path)
    picture = _grey(path)
    # Half the size averages out the grain of a dark entrance.
    found = _find(picture) or _find(picture.reduce(2))
    return tuple(_text_of(bytes.fromhex(barcode.text)) for barcode in found)


def _find(picture: Image.Image) -> list[zxingcpp.Barcode]:
    return zxingcpp.read_barcodes(picture, formats=_QR, text_mode=zxingcpp.TextMode.HexECI)


def _text_of(symbol: bytes) -> str | None:
    if not symbol.startswith(_PLAIN_QR):
        return None
    return symbol[len(_PLAIN_QR) :].decode("latin-1")


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise PictureError(f"{path}: {error.strerror or 'cannot be read'}") from error
    if stat.S_ISDIR(status.st_mode):
        raise PictureError(f"{path}: a folder, not a picture")
    if not stat.S_ISREG(status.st_mode):
        raise PictureError(f"{path}: not a file")
    if status.st_size > MAX_FILE_BYTES:
        raise PictureUnreadableError(f"{path}: larger than {MAX_FILE_BYTES // 2**20} MB")


def _grey(path: Path) -> Image.Image:
    """The picture in grey levels, on white where it is transparent."""
    with warnings.catch_warnings():
        # Pillow warns of oddities in files; a stranger's file is no reason to talk to the door.
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=_FORMATS) as picture:
                too_large = picture.width * picture.height > MAX_PIXELS
                grey = None if too_large else _flat(picture)
        except UnidentifiedImageError as error:
            raise PictureError(f"{path}: neither PNG nor JPEG") from error
        except PermissionError as error:
            raise PictureError(f"{path}: {error.strerror}") from error
        except Exception as error:  # Pillow's readers raise many kinds on damaged files
            raise PictureUnreadableError(f"{path}: damaged ({type(error).__name__})") from error
    if grey is None:
        raise PictureUnreadableError(f"{path}: more than {MAX_PIXELS:,} pixels")
    return grey


def _flat(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("L")
    layer = picture.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(ground, layer).convert("L")
