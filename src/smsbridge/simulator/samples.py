"""The files that a phone can send: pleasant ones, and the ones that make trouble. Drawn by code, always the same."""

from __future__ import annotations

import asyncio
import io
import itertools
import math
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from PIL import Image, ImageDraw

HUGE_BYTES: Final = 6 * 1024 * 1024
BOMB_SIDE_PX: Final = 20_000

_Colour = tuple[int, int, int]
_SMOOTHING: Final = 3  # drawn this much larger, then scaled down: Pillow draws without anti-aliasing


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    name: str
    content_type: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    name: str
    content_type: str
    title: str
    description: str
    make: Callable[[], bytes]

    def json(self, base_url: str) -> dict[str, Any]:
        return {
            "name": self.name,
            "content_type": self.content_type,
            "title": self.title,
            "description": self.description,
            "url": f"{base_url}/{self.name}",
        }


class Samples:
    """Makes a file when it is first asked for, in a thread, and keeps it."""

    def __init__(self) -> None:
        self._made: dict[str, Sample] = {}

    async def get(self, name: str) -> Sample | None:
        recipe = RECIPES.get(name)
        if recipe is None:
            return None
        if name not in self._made:
            body = await asyncio.to_thread(recipe.make)
            self._made[name] = Sample(name=name, content_type=recipe.content_type, body=body)
        return self._made[name]


def _photo_jpg() -> bytes:
    return _saved(_harbour(960, 720, phase=0.0), "JPEG", quality=88, optimize=True)


def _photo_png() -> bytes:
    return _saved(_parcel(640, 480), "PNG", optimize=True)


def _animation() -> bytes:
    frames = [_harbour(240, 180, phase=step / 12).quantize(64, dither=Image.Dither.NONE) for step in range(12)]
    made = io.BytesIO()
    frames[0].save(made, "GIF", save_all=True, append_images=frames[1:], duration=110, loop=0)
    return made.getvalue()


def _contact() -> bytes:
    lines = (
        "BEGIN:VCARD",
        "VERSION:3.0",
        "N:Lee;Ann;;;",
        "FN:Ann Lee",
        "ORG:Harbour Cycles",
        "TEL;TYPE=CELL:+447700900123",
        "EMAIL:ann.lee@example.com",
        "END:VCARD",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


def _note() -> bytes:
    """One page with three lines, written out by hand."""
    page = b"BT /F1 20 Tf 50 330 Td (Delivery note) Tj /F1 12 Tf 0 -34 Td (1 x bicycle bell, brass) Tj"
    page += b" 0 -18 Td (Left with the neighbour at number 7.) Tj ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 298 420] /Contents 4 0 R /Resources << /Font <</F1 5 0 R>> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    made = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    made += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(made)


def _corrupt() -> bytes:
    whole = _photo_jpg()
    return whole[: len(whole) // 3]


def _fake() -> bytes:
    """The first bytes of a Windows program: its DOS header, its message, and nothing that could run."""
    header = b"MZ" + struct.pack("<29H", 0x90, 3, 0, 4, 0, 0xFFFF, 0, 0xB8, *([0] * 21))
    stub = b"This program cannot be run in DOS mode.\r\r\n$"
    return (header + b"\x40\0\0\0" + stub).ljust(512, b"\0")


def _empty() -> bytes:
    return b""


def _huge() -> bytes:
    """A video container whose one box of data is `HUGE_BYTES` long."""
    kind = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 0x200, b"isom", b"mp42")
    pattern = bytes(range(256))
    data = pattern * ((HUGE_BYTES - len(kind) - 8) // len(pattern) + 1)
    return (kind + struct.pack(">I4s", HUGE_BYTES - len(kind), b"mdat") + data)[:HUGE_BYTES]


def _bomb() -> bytes:
    """A PNG of 400 megapixels of black in a few dozen kilobytes."""
    squeeze = zlib.compressobj(9)
    row = bytes(1 + (BOMB_SIDE_PX + 7) // 8)
    rows = b"".join(squeeze.compress(row * 100) for _ in range(BOMB_SIDE_PX // 100)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", BOMB_SIDE_PX, BOMB_SIDE_PX, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def _recipes(*recipes: Recipe) -> Mapping[str, Recipe]:
    return MappingProxyType({recipe.name: recipe for recipe in recipes})


RECIPES: Final = _recipes(
    Recipe(
        name="photo.jpg",
        content_type="image/jpeg",
        title="Photo",
        description="A sailing boat in the evening.",
        make=_photo_jpg,
    ),
    Recipe(
        name="photo.png",
        content_type="image/png",
        title="Picture (PNG)",
        description="A parcel on a doorstep.",
        make=_photo_png,
    ),
    Recipe(
        name="animation.gif",
        content_type="image/gif",
        title="Animation",
        description="The boat on the waves.",
        make=_animation,
    ),
    Recipe(
        name="contact.vcf", content_type="text/vcard", title="Contact", description="A visiting card.", make=_contact
    ),
    Recipe(name="note.pdf", content_type="application/pdf", title="Document", description="A page of PDF.", make=_note),
    Recipe(
        name="corrupt.jpg",
        content_type="image/jpeg",
        title="Broken photo",
        description="Two thirds of the photo are missing.",
        make=_corrupt,
    ),
    Recipe(
        name="fake.jpg",
        content_type="image/jpeg",
        title="Program, called a photo",
        description="The header of a Windows program, sent as image/jpeg.",
        make=_fake,
    ),
    Recipe(
        name="empty.jpg", content_type="image/jpeg", title="Empty file", description="No bytes at all.", make=_empty
    ),
    Recipe(
        name="huge.mp4",
        content_type="video/mp4",
        title="Video of 6 MB",
        description="More than a message may carry.",
        make=_huge,
    ),
    Recipe(
        name="bomb.png",
        content_type="image/png",
        title="Picture bomb",
        description="400 megapixels in a small file: dangerous to unpack.",
        make=_bomb,
    ),
)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    made = io.BytesIO()
    image.save(made, kind, **options)
    return made.getvalue()


def _harbour(width: int, height: int, *, phase: float) -> Image.Image:
    """A boat before a low sun; `phase` from 0 to 1 is once up and down on the waves."""
    w, h = width * _SMOOTHING, height * _SMOOTHING
    image = _gradient(w, h, (252, 214, 170), (246, 164, 138), (120, 138, 178))
    draw = ImageDraw.Draw(image)
    sea = int(h * 0.62)
    _disc(draw, w * 0.68, h * 0.47, h * 0.12, (255, 241, 205))
    hills = [(0.0, 0.55), (0.16, 0.45), (0.3, 0.53), (0.46, 0.42), (0.64, 0.56), (0.82, 0.49), (1.0, 0.57)]
    draw.polygon([(0, h), *((x * w, y * h) for x, y in _smooth(hills)), (w, h)], fill=(108, 110, 148))
    image.paste(_gradient(w, h - sea, (104, 142, 168), (66, 108, 140), (38, 74, 104)), (0, sea))
    for number in range(7):
        top = sea + (h - sea) * (number + 0.6) / 8
        reach = w * (0.05 + 0.016 * number)
        middle = w * 0.68 + math.sin(number * 2.1 + phase * math.tau) * w * 0.012
        draw.line((middle - reach, top, middle + reach, top), fill=(236, 196, 168), width=max(1, h // 130))
    _boat(draw, w * 0.34, h * (0.70 + 0.012 * math.sin(phase * math.tau)), h * 0.30)
    for number in range(3):
        x, y, size = w * (0.16 + 0.09 * number), h * (0.16 + 0.05 * (number % 2)), h * 0.022
        for side in (-1, 1):
            box = (x + side * size - size, y - size, x + side * size + size, y + size)
            draw.arc(box, 200, 340, fill=(74, 80, 116), width=max(1, h // 180))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _boat(draw: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    draw.polygon(
        [
            (x - size * 0.5, y),
            (x + size * 0.55, y),
            (x + size * 0.36, y + size * 0.2),
            (x - size * 0.36, y + size * 0.2),
        ],
        fill=(150, 58, 52),
    )
    draw.rectangle((x - size * 0.015, y - size, x + size * 0.015, y), fill=(84, 62, 52))
    draw.polygon(
        [(x + size * 0.04, y - size * 0.97), (x + size * 0.04, y - 0.07 * size), (x + size * 0.46, y - 0.07 * size)],
        fill=(255, 250, 238),
    )
    draw.polygon(
        [(x - size * 0.04, y - size * 0.86), (x - size * 0.04, y - 0.07 * size), (x - size * 0.36, y - 0.07 * size)],
        fill=(240, 222, 200),
    )


def _parcel(width: int, height: int) -> Image.Image:
    """A parcel with a label on a doorstep."""
    w, h = width * _SMOOTHING, height * _SMOOTHING
    image = _gradient(w, h, (206, 222, 214), (176, 202, 194), (150, 180, 174))
    draw = ImageDraw.Draw(image)
    draw.rectangle((w * 0.58, 0, w * 0.94, h * 0.72), fill=(46, 98, 88))
    for top in (0.06, 0.40):
        draw.rounded_rectangle((w * 0.63, h * top, w * 0.89, h * (top + 0.26)), h // 60, fill=(58, 116, 104))
    _disc(draw, w * 0.615, h * 0.37, h * 0.018, (232, 190, 106))
    draw.rectangle((0, h * 0.72, w, h), fill=(204, 190, 172))
    draw.rectangle((0, h * 0.72, w, h * 0.745), fill=(184, 168, 150))
    draw.ellipse((w * 0.10, h * 0.84, w * 0.60, h * 0.93), fill=(176, 160, 142))
    left, top, right, bottom = w * 0.13, h * 0.42, w * 0.55, h * 0.885
    draw.rounded_rectangle((left, top, right, bottom), h // 80, fill=(196, 152, 104))
    draw.rectangle((w * 0.315, top, w * 0.365, bottom), fill=(216, 180, 134))
    draw.rectangle((left, top, right, top + h * 0.05), fill=(178, 134, 88))
    draw.rounded_rectangle((w * 0.385, h * 0.55, w * 0.525, h * 0.74), h // 120, fill=(252, 248, 240))
    for number in range(4):
        line = h * (0.585 + 0.036 * number)
        draw.line((w * 0.402, line, w * (0.508 - 0.02 * (number % 2)), line), fill=(120, 116, 110), width=h // 110)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _gradient(width: int, height: int, top: _Colour, middle: _Colour, bottom: _Colour) -> Image.Image:
    column = Image.new("RGB", (1, 256))
    for y in range(256):
        share = y / 255 * 2
        start, end, part = (top, middle, share) if share <= 1 else (middle, bottom, share - 1)
        red, green, blue = (round(a + (b - a) * part) for a, b in zip(start, end, strict=True))
        column.putpixel((0, y), (red, green, blue))
    return column.resize((width, height), Image.Resampling.BICUBIC)


def _smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points, joined by slopes that begin and end level."""
    curve = []
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        for step in range(16):
            part = step / 16
            curve.append((x0 + (x1 - x0) * part, y0 + (y1 - y0) * (1 - math.cos(part * math.pi)) / 2))
    return [*curve, points[-1]]


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: _Colour) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
