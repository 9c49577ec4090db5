"""What attachments are: their type told from their bytes, the types that are taken, and names that are safe to write.

Nothing that runs is ever taken: no HTML, SVG, XML, script or program. What the far end says of a type or a name is a
claim; only the bytes decide.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

SNIFF_BYTES: Final = 4096
"""As many bytes of the beginning as `sniff_type` wants to see."""

MAX_FILENAME_CHARS: Final = 100

_EXTENSIONS: Final[dict[str, tuple[str, ...]]] = {
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png",),
    "image/gif": (".gif",),
    "image/webp": (".webp",),
    "image/bmp": (".bmp",),
    "image/tiff": (".tif", ".tiff"),
    "image/heic": (".heic",),
    "image/heif": (".heif",),
    "image/avif": (".avif",),
    "video/mp4": (".mp4", ".m4v"),
    "video/3gpp": (".3gp", ".3gpp"),
    "video/3gpp2": (".3g2", ".3gpp2"),
    "video/quicktime": (".mov", ".qt"),
    "video/webm": (".webm",),
    "video/ogg": (".ogv", ".ogg"),
    "audio/mpeg": (".mp3",),
    "audio/mp4": (".m4a", ".mp4"),
    "audio/aac": (".aac",),
    "audio/ogg": (".ogg", ".oga", ".opus"),
    "audio/amr": (".amr",),
    "audio/amr-wb": (".awb", ".amr"),
    "audio/wav": (".wav",),
    "application/pdf": (".pdf",),
    "text/vcard": (".vcf",),
    "text/calendar": (".ics",),
    "text/plain": (".txt",),
}
"""Every type that is taken, and how files of it end; the first ending is the one we give."""

TAKEN_TYPES: Final = frozenset(_EXTENSIONS)

PICTURE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp", "image/avif"})
"""The pictures that we decode, for a thumbnail and to see that they are whole, and that every browser shows.

TIFF and HEIC are taken as files: few browsers show them, and their decoders are the ones with a history.
"""


def sniff_type(head: bytes) -> str | None:
    """The type that the first bytes of a file (`SNIFF_BYTES` of them) prove, or None.

    It may be one that is not taken (`text/html`, `application/zip`): then the name tells an agent what it was.
    """
    for offset, signature, content_type in _SIGNATURES:
        if head.startswith(signature, offset):
            found = content_type if isinstance(content_type, str) else content_type(head)
            if found is not None:
                return found
    return _sniff_text(head)


def is_picture(content_type: str) -> bool:
    """Whether the bytes can be given to `contracts.network.Imaging`."""
    return content_type in PICTURE_TYPES


def safe_filename(name: str, content_type: str) -> str:
    """A name for a download: plain ASCII, no folders, at most `MAX_FILENAME_CHARS`, an ending that fits the type.

    Whatever `name` holds (paths, control characters, right-to-left marks, another type's ending), the result is a
    file name on every system; `attachment.jpg` when nothing of it can be used.
    """
    last = re.split(r"[/\\]", name[-_MAX_NAME_LOOKED_AT:])[-1]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode("ascii")
    words = re.sub(r"[^A-Za-z0-9._()-]+", "_", plain)
    endings = _EXTENSIONS.get(content_type, (".bin",))
    stem, _, ending = words.rpartition(".")
    if f".{ending.lower()}" not in endings:
        stem, ending = words, endings[0].removeprefix(".")
    # What still looks like an ending would be the one that a careless system goes by.
    stem = stem.replace(".", "_").strip("_-")[: MAX_FILENAME_CHARS - len(ending) - 1].strip("_-")
    if not re.search(r"[A-Za-z0-9]", stem):
        stem = "attachment"
    if stem.upper() in _WINDOWS_DEVICES:
        stem = f"file_{stem}"
    return f"{stem}.{ending}"


_MAX_NAME_LOOKED_AT: Final = 1_000
_WINDOWS_DEVICES: Final = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}
)


def _sniff_iso_media(head: bytes) -> str | None:
    """By the major brand of an ISO base media file, then by the compatible ones (https://mp4ra.org/registered-types/brands)."""
    size = int.from_bytes(head[:4], "big")
    brands = [head[at : at + 4] for at in (8, *range(16, min(size, len(head), 256) - 3, 4))]
    brands.sort(key=lambda brand: brand in _GENERAL_BRANDS)
    return next((found for brand in brands if (found := _brand_type(brand)) is not None), None)


def _brand_type(brand: bytes) -> str | None:
    exact = _BRANDS.get(brand)
    if exact is not None:
        return exact
    return next((content_type for prefix, content_type in _BRAND_PREFIXES if brand.startswith(prefix)), None)


_BRANDS: Final = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic",
    b"hevx": "image/heic",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"M4V ": "video/mp4",
    b"MSNV": "video/mp4",
    b"avc1": "video/mp4",
    b"dash": "video/mp4",
    b"mmp4": "video/mp4",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
}
_GENERAL_BRANDS: Final = frozenset({b"mif1", b"msf1"})
"""They say that it is a picture; another brand says which codec it needs."""
_BRAND_PREFIXES: Final = (
    (b"3g2", "video/3gpp2"),
    (b"3g", "video/3gpp"),
    (b"iso", "video/mp4"),
    (b"mp4", "video/mp4"),
)


def _sniff_riff(head: bytes) -> str | None:
    return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(head[8:12])


def _sniff_ebml(head: bytes) -> str:
    return "video/webm" if b"webm" in head[:64] else "video/x-matroska"


def _sniff_ogg(head: bytes) -> str:
    return "video/ogg" if b"theora" in head[:128] else "audio/ogg"


def _sniff_bmp(head: bytes) -> str | None:
    """`BM` begins many a text, so the length of the second header has to be one of those that exist."""
    return "image/bmp" if int.from_bytes(head[14:18], "little") in {12, 40, 52, 56, 64, 108, 124} else None


def _sniff_program(head: bytes) -> str | None:
    """Two letters begin many a text too; a program's header is never without zeros."""
    return "application/vnd.microsoft.portable-executable" if b"\x00" in head else None


def _sniff_mpeg_audio(head: bytes) -> str | None:
    """A frame header: eleven ones, then version, layer, bit rate and sampling rate, not all values of which exist."""
    if len(head) < 4 or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    version, layer, rate, sampling = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return "audio/mpeg" if version != 1 and layer == 1 and rate not in {0, 15} and sampling != 3 else None


_SIGNATURES: Final[tuple[tuple[int, bytes, str | Callable[[bytes], str | None]], ...]] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"RIFF", _sniff_riff),
    (4, b"ftyp", _sniff_iso_media),
    (4, b"moov", "video/quicktime"),  # files from before `ftyp` existed
    (4, b"mdat", "video/quicktime"),
    (4, b"wide", "video/quicktime"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"BM", _sniff_bmp),
    (0, b"\x1a\x45\xdf\xa3", _sniff_ebml),
    (0, b"OggS", _sniff_ogg),
    (0, b"ID3\x02", "audio/mpeg"),
    (0, b"ID3\x03", "audio/mpeg"),
    (0, b"ID3\x04", "audio/mpeg"),
    (0, b"#!AMR\n", "audio/amr"),
    (0, b"#!AMR-WB\n", "audio/amr-wb"),
    (0, b"\xff", _sniff_mpeg_audio),
    (0, b"%PDF-", "application/pdf"),
    # Known, so that they can be named, and not taken:
    (0, b"MZ", _sniff_program),
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"%!PS", "application/postscript"),
    (0, b"#!", "text/x-script"),
)


def _sniff_text(head: bytes) -> str | None:
    """Text is UTF-8 without control characters. Anything in it that a browser might take for a tag makes it HTML."""
    text = _decode_text(head)
    if text is None or not text.strip() or _CONTROLS.search(text):
        return None
    if _TAG.search(text):
        return next((found for marker, found in _MARKUP if marker.search(text)), "text/html")
    first_line = text.lstrip().partition("\n")[0].strip().upper()
    return _FIRST_LINES.get(first_line, "text/plain")


def _decode_text(head: bytes) -> str | None:
    """Without a byte order mark. The last character may be cut, for `head` ends where it ends."""
    data = head.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and len(data) - error.start < 4:
            return data[: error.start].decode("utf-8")
        return None


_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_TAG: Final = re.compile(r"<[A-Za-z/!?]")
_MARKUP: Final = (
    (re.compile(r"<svg", re.IGNORECASE), "image/svg+xml"),
    (re.compile(r"<smil", re.IGNORECASE), "application/smil"),
    (re.compile(r"<!doctype html|<html|<script|<body|<head|<iframe|<img", re.IGNORECASE), "text/html"),
    (re.compile(r"<\?xml"), "application/xml"),
)
_FIRST_LINES: Final = {"BEGIN:VCARD": "text/vcard", "BEGIN:VCALENDAR": "text/calendar"}
