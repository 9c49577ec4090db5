"""Pictures from strangers are decoded elsewhere, within limits, and come back as pixels alone (SEC-41, SEC-42)."""

from __future__ import annotations

import asyncio
import io
import os
import random
import signal
import struct
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from smsbridge.contracts.network import Imaging, ImagingUnavailable
from smsbridge.imaging import ChildImaging

CANARY = b"51.5007 N canary"


@pytest.fixture
async def imaging() -> AsyncIterator[ChildImaging]:
    made = ChildImaging()
    yield made
    await made.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "picture"


def a_picture(size: tuple[int, int] = (640, 480), mode: str = "RGB") -> Image.Image:
    """Noise of its own kind, so that no encoder makes nothing of it; red at the top left."""
    noise = Image.frombytes("L", (64, 48), random.Random(5).randbytes(64 * 48)).resize(size)
    picture = Image.merge("RGB", (noise, noise.transpose(Image.Transpose.ROTATE_180), noise))
    picture.paste((255, 0, 0), (0, 0, size[0] // 4, size[1] // 4))
    return picture.convert(mode)


def encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def pid_of(imaging: ChildImaging) -> int:
    child = imaging._child
    assert child is not None
    return child._process.pid


# What is a picture


@pytest.mark.parametrize(
    ("kind", "content_type", "mode"),
    [
        ("JPEG", "image/jpeg", "RGB"),
        ("JPEG", "image/jpeg", "L"),
        ("JPEG", "image/jpeg", "CMYK"),
        ("PNG", "image/png", "RGB"),
        ("PNG", "image/png", "RGBA"),
        ("PNG", "image/png", "LA"),
        ("PNG", "image/png", "P"),
        ("PNG", "image/png", "1"),
        ("PNG", "image/png", "I;16"),
        ("GIF", "image/gif", "P"),
        ("WEBP", "image/webp", "RGBA"),
        ("BMP", "image/bmp", "RGB"),
        ("AVIF", "image/avif", "RGB"),
    ],
)
async def test_a_picture_has_a_size_and_a_small_thumbnail(
    imaging: ChildImaging, file: Path, kind: str, content_type: str, mode: str
) -> None:
    contract: Imaging = imaging
    file.write_bytes(encode(a_picture(mode=mode), kind))
    facts = await contract.read_picture(file, content_type)
    assert facts is not None
    assert (facts.width, facts.height) == (640, 480)
    thumbnail = Image.open(io.BytesIO(facts.thumbnail), formats=("WEBP",))
    thumbnail.load()
    assert thumbnail.size == (320, 240)
    assert len(facts.thumbnail) < 50_000


async def test_a_small_picture_is_not_blown_up(imaging: ChildImaging, file: Path) -> None:
    file.write_bytes(encode(a_picture((20, 10)), "PNG"))
    facts = await imaging.read_picture(file, "image/png")
    assert facts is not None
    assert Image.open(io.BytesIO(facts.thumbnail)).size == (20, 10)


async def test_transparency_stays_transparent_in_a_thumbnail_and_turns_white_in_a_jpeg(
    imaging: ChildImaging, file: Path
) -> None:
    file.write_bytes(encode(Image.new("RGBA", (100, 100), (0, 0, 0, 0)), "PNG"))
    facts = await imaging.read_picture(file, "image/png")
    jpeg = await imaging.shrink(file, "image/png", 100_000)
    assert facts is not None
    assert jpeg is not None
    assert Image.open(io.BytesIO(facts.thumbnail)).convert("RGBA").getpixel((50, 50))[3] == 0  # type: ignore[index]
    assert Image.open(io.BytesIO(jpeg)).getpixel((50, 50)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_picture_on_its_side_is_set_upright(imaging: ChildImaging, file: Path, orientation: int) -> None:
    upright = a_picture((640, 320))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file.write_bytes(encode(stored, "JPEG", exif=exif, quality=95))
    facts = await imaging.read_picture(file, "image/jpeg")
    assert facts is not None
    assert (facts.width, facts.height) == (640, 320)
    shrunk = await imaging.shrink(file, "image/jpeg", 200_000)
    assert shrunk is not None
    for data, size in ((facts.thumbnail, (320, 160)), (shrunk, (640, 320))):
        seen = Image.open(io.BytesIO(data)).convert("RGB")
        assert seen.size == size
        red, green, blue = seen.getpixel((size[0] // 10, size[1] // 10))  # type: ignore[misc]
        assert red > 200
        assert green < 80
        assert blue < 80


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
async def test_where_when_and_by_what_a_picture_was_taken_stays_behind(
    imaging: ChildImaging, file: Path, kind: str
) -> None:
    exif = Image.Exif()
    exif[0x010E] = CANARY.decode()
    exif.get_ifd(0x8825)[29] = CANARY.decode()
    options: dict[str, object] = {
        "exif": exif,
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", CANARY.decode())
    if kind == "JPEG":
        options |= {"comment": CANARY, "xmp": b"<x:xmpmeta>" + CANARY}
    if kind in {"WEBP", "AVIF"}:
        options["xmp"] = b"<x:xmpmeta>" + CANARY
    data = encode(a_picture(), kind, **options)
    assert CANARY in data
    file.write_bytes(data)
    content_type = f"image/{kind.lower()}"
    facts = await imaging.read_picture(file, content_type)
    shrunk = await imaging.shrink(file, content_type, 100_000)
    assert facts is not None
    assert shrunk is not None
    for clean in (facts.thumbnail, shrunk):
        assert CANARY not in clean
        seen = Image.open(io.BytesIO(clean))
        assert not dict(seen.getexif())
        assert not {"exif", "xmp", "icc_profile", "comment"} & set(seen.info)


@pytest.mark.parametrize("tail", [b"<script>alert(1)</script>", b"PK\x03\x04" + bytes(30) + b"META-INF/MANIFEST.MF"])
async def test_what_hides_behind_a_picture_stays_behind(imaging: ChildImaging, file: Path, tail: bytes) -> None:
    file.write_bytes(encode(a_picture(), "JPEG", comment=tail) + tail)
    facts = await imaging.read_picture(file, "image/jpeg")
    shrunk = await imaging.shrink(file, "image/jpeg", 100_000)
    assert facts is not None
    assert shrunk is not None
    assert tail not in facts.thumbnail
    assert tail not in shrunk


# What is not


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "AVIF"])
async def test_a_picture_that_was_cut_anywhere_is_noticed(imaging: ChildImaging, file: Path, kind: str) -> None:
    whole = encode(a_picture(), kind)
    for tenth in range(10):
        file.write_bytes(whole[: len(whole) * tenth // 10])
        assert await imaging.read_picture(file, f"image/{kind.lower()}") is None, tenth
        assert await imaging.shrink(file, f"image/{kind.lower()}", 100_000) is None, tenth


async def test_a_progressive_picture_that_was_cut_is_noticed(imaging: ChildImaging, file: Path) -> None:
    whole = encode(a_picture(), "JPEG", progressive=True)
    file.write_bytes(whole[: len(whole) * 9 // 10])
    assert await imaging.read_picture(file, "image/jpeg") is None


def png(width: int, height: int, *extra: tuple[bytes, bytes], rows: int = 0) -> bytes:
    """A grey PNG whose header may promise more than its `rows`."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    squeeze = zlib.compressobj(1)
    packed = b"".join(squeeze.compress(bytes(width + 1)) for _ in range(rows)) + squeeze.flush()
    chunks = [(b"IHDR", head), *extra, (b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in chunks)


def gif(width: int, height: int, frames: int) -> bytes:
    """Whole frames of one colour, some bytes each."""
    still = encode(Image.new("P", (width, height)), "GIF")
    at = still.index(b",\0\0\0\0")
    return still[:at] + still[at:-1] * frames + b";"


def gif_claiming(width: int, height: int) -> bytes:
    still = encode(a_picture((64, 64), "P"), "GIF")
    return still[:6] + struct.pack("<HH", width, height) + still[10:]


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(encode(a_picture((64, 64)), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp_claiming(width: int, height: int) -> bytes:
    data = bytearray(encode(a_picture((64, 64)), "BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def webp_claiming(width: int, height: int) -> bytes:
    data = bytearray(encode(a_picture((64, 64), "RGBA"), "WEBP", xmp=b"x"))
    at = data.index(b"VP8X") + 12
    data[at : at + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def other(kind: str) -> bytes:
    return encode(a_picture((64, 64)), kind)


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "41 million pixels, all there": ("image/png", lambda: png(8_200, 5_000, rows=5_000)),
    "900 million pixels": ("image/png", lambda: png(30_000, 30_000, rows=100)),
    "4 billion pixels promised": ("image/png", lambda: png(65_535, 65_535)),
    "a picture one pixel high": ("image/png", lambda: png(2_000_000_000, 1)),
    "no pixels at all": ("image/png", lambda: png(0, 0)),
    "2 billion frames promised": (
        "image/png", lambda: png(1_000, 1_000, (b"acTL", struct.pack(">II", 2**31 - 1, 0)), rows=1_000)
    ),
    "a text that unpacks to 100 MB": (
        "image/png", lambda: png(10, 10, (b"zTXt", b"k\0\0" + zlib.compress(bytes(100_000_000))), rows=10)
    ),
    "100 texts of 1 MB each": (
        "image/png", lambda: png(10, 10, *[(b"zTXt", b"k\0\0" + zlib.compress(bytes(1_000_000)))] * 100, rows=10)
    ),
    "400 frames of a million pixels": ("image/gif", lambda: gif(1_000, 1_000, 400)),
    "40,000 frames": ("image/gif", lambda: gif(100, 100, 40_000)),
    "a screen of 4 billion pixels": ("image/gif", lambda: gif_claiming(65_535, 65_535)),
    "a JPEG of 4 billion pixels": ("image/jpeg", lambda: jpeg_claiming(65_500, 65_500)),
    "a JPEG of 79 million pixels": ("image/jpeg", lambda: jpeg_claiming(8_900, 8_900)),
    "a BMP of 4 billion pixels": ("image/bmp", lambda: bmp_claiming(65_535, 65_535)),
    "a BMP of negative size": ("image/bmp", lambda: bmp_claiming(-64, -64)),
    "a WebP of 268 million pixels": ("image/webp", lambda: webp_claiming(16_383, 16_383)),
    "nothing": ("image/jpeg", lambda: b""),
    "a signature and nothing else": ("image/png", lambda: b"\x89PNG\r\n\x1a\n"),
    "chance": ("image/jpeg", lambda: b"\xff\xd8\xff" + random.Random(1).randbytes(50_000)),
    "a TIFF said to be a JPEG": ("image/jpeg", lambda: other("TIFF")),
    "a PNG said to be a JPEG": ("image/jpeg", lambda: other("PNG")),
    "a JPEG said to be a PNG": ("image/png", lambda: other("JPEG")),
    "PostScript": ("image/jpeg", lambda: other("EPS")),
    "an icon": ("image/bmp", lambda: other("ICO")),
    "a PDF": ("image/jpeg", lambda: other("PDF")),
    "SVG": ("image/png", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"),
    "FITS": ("image/png", lambda: b"SIMPLE  =                    T" + bytes(3_000)),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_refused_and_the_next_picture_is_not(imaging: ChildImaging, file: Path, name: str) -> None:
    content_type, make = BOMBS[name]
    file.write_bytes(make())
    good = file.with_name("good")
    good.write_bytes(encode(a_picture(), "PNG"))
    before = resident_bytes()
    assert await imaging.read_picture(file, content_type) is None
    assert await imaging.shrink(file, content_type, 100_000) is None
    assert await imaging.read_picture(good, "image/png") is not None
    assert resident_bytes() - before < 8_000_000


@pytest.mark.parametrize(
    "content_type", ["image/tiff", "image/heic", "image/svg+xml", "application/pdf", "", "text/html"]
)
async def test_other_types_never_reach_a_decoder(imaging: ChildImaging, file: Path, content_type: str) -> None:
    file.write_bytes(other("TIFF"))
    assert await imaging.read_picture(file, content_type) is None
    assert await imaging.shrink(file, content_type, 100_000) is None
    assert imaging._child is None


async def test_a_file_that_is_not_there_is_no_picture(imaging: ChildImaging, file: Path) -> None:
    assert await imaging.read_picture(file, "image/png") is None


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGBA"), ("JPEG", "CMYK"), ("BMP", "P")])
async def test_forty_million_pixels_are_still_a_picture(
    imaging: ChildImaging, file: Path, kind: str, mode: str
) -> None:
    options = {"compress_level": 1} if kind == "PNG" else {}
    file.write_bytes(encode(Image.new(mode, (8_000, 5_000), 3 if mode == "P" else (1, 2, 3, 4)), kind, **options))
    facts = await imaging.read_picture(file, f"image/{kind.lower()}")
    assert facts is not None
    assert (facts.width, facts.height) == (8_000, 5_000)
    assert await imaging.shrink(file, f"image/{kind.lower()}", 1_000_000) is not None


async def test_an_animation_of_a_usual_size_is_still_a_picture(imaging: ChildImaging, file: Path) -> None:
    file.write_bytes(gif(500, 400, 100))
    facts = await imaging.read_picture(file, "image/gif")
    assert facts is not None
    assert (facts.width, facts.height) == (500, 400)


# Made smaller


@pytest.mark.parametrize("max_bytes", [1_000, 5_000, 50_000, 600_000])
async def test_a_picture_is_made_to_fit_and_uses_the_room_it_has(
    imaging: ChildImaging, file: Path, max_bytes: int
) -> None:
    noise = Image.frombytes("RGB", (1_200, 900), random.Random(8).randbytes(1_200 * 900 * 3))
    file.write_bytes(encode(noise, "PNG"))
    shrunk = await imaging.shrink(file, "image/png", max_bytes)
    assert shrunk is not None
    assert max_bytes / 4 < len(shrunk) <= max_bytes
    seen = Image.open(io.BytesIO(shrunk), formats=("JPEG",))
    seen.load()
    assert abs(seen.width / seen.height - 4 / 3) < 0.1


@pytest.mark.parametrize("max_bytes", [0, 1, 200])
async def test_what_cannot_be_made_that_small_is_not(imaging: ChildImaging, file: Path, max_bytes: int) -> None:
    file.write_bytes(encode(a_picture(), "JPEG"))
    assert await imaging.shrink(file, "image/jpeg", max_bytes) is None


async def test_a_very_long_and_thin_picture_is_made_to_fit(imaging: ChildImaging, file: Path) -> None:
    file.write_bytes(encode(a_picture((20_000, 3)), "PNG"))
    shrunk = await imaging.shrink(file, "image/png", 3_000)
    assert shrunk is not None
    assert len(shrunk) <= 3_000


# The child


async def test_many_questions_at_once_are_answered_by_one_child(imaging: ChildImaging, file: Path) -> None:
    file.write_bytes(encode(a_picture(), "JPEG"))
    all_facts = await asyncio.gather(*(imaging.read_picture(file, "image/jpeg") for _ in range(12)))
    assert len(set(all_facts)) == 1
    assert None not in all_facts


async def test_no_more_than_so_many_wait_and_whoever_comes_too_much_is_told_so(
    imaging: ChildImaging, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smsbridge.imaging.MAX_WAITING", 4)
    file.write_bytes(encode(a_picture(), "PNG"))
    answers = await asyncio.gather(*(imaging.read_picture(file, "image/png") for _ in range(7)), return_exceptions=True)
    assert [isinstance(answer, ImagingUnavailable) for answer in answers] == [False] * 4 + [True] * 3
    assert None not in answers[:4]
    assert await imaging.read_picture(file, "image/png") is not None


async def test_a_child_that_was_killed_is_replaced(imaging: ChildImaging, file: Path) -> None:
    file.write_bytes(encode(a_picture(), "JPEG"))
    assert await imaging.read_picture(file, "image/jpeg") is not None
    first = pid_of(imaging)
    os.kill(first, signal.SIGKILL)
    # One question may still be asked of the dead, and fails; none after that.
    await imaging.read_picture(file, "image/jpeg")
    assert await imaging.read_picture(file, "image/jpeg") is not None
    assert pid_of(imaging) != first


async def test_a_child_that_does_not_answer_is_given_up(file: Path) -> None:
    imaging = ChildImaging(timeout_s=60)
    file.write_bytes(encode(a_picture(), "JPEG"))
    assert await imaging.read_picture(file, "image/jpeg") is not None
    stopped = pid_of(imaging)
    os.kill(stopped, signal.SIGSTOP)
    imaging._timeout_s = 0.2
    assert await imaging.read_picture(file, "image/jpeg") is None
    assert not Path(f"/proc/{stopped}").exists()
    imaging._timeout_s = 60
    assert await imaging.read_picture(file, "image/jpeg") is not None
    await imaging.close()


async def test_a_question_that_is_called_off_spoils_no_other(imaging: ChildImaging, file: Path) -> None:
    file.write_bytes(encode(a_picture(), "JPEG"))
    assert await imaging.read_picture(file, "image/jpeg") is not None
    os.kill(pid_of(imaging), signal.SIGSTOP)
    asking = asyncio.create_task(imaging.read_picture(file, "image/jpeg"))
    while not imaging._turn.locked():
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await imaging.read_picture(file, "image/jpeg") is not None


async def test_a_child_with_nothing_to_do_goes_and_comes_back(file: Path) -> None:
    imaging = ChildImaging(idle_s=0)
    file.write_bytes(encode(a_picture(), "JPEG"))
    for _ in range(2):
        assert await imaging.read_picture(file, "image/jpeg") is not None
        child = imaging._child
        assert child is not None
        assert await child._process.wait() == 0
    await imaging.close()


async def test_closing_ends_the_child(file: Path) -> None:
    imaging = ChildImaging()
    file.write_bytes(encode(a_picture(), "JPEG"))
    assert await imaging.read_picture(file, "image/jpeg") is not None
    pid = pid_of(imaging)
    await imaging.close()
    assert not Path(f"/proc/{pid}").exists()
    await imaging.close()


async def test_a_child_that_cannot_be_started_says_nothing_about_the_picture(
    imaging: ChildImaging, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_bytes(encode(a_picture(), "JPEG"))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(ImagingUnavailable, match="ended at its start with 1"):
            await imaging.read_picture(file, "image/jpeg")
        patch.setattr(sys, "executable", "/no/such/program")
        with pytest.raises(ImagingUnavailable):
            await imaging.read_picture(file, "image/jpeg")
    assert await imaging.read_picture(file, "image/jpeg") is not None


async def test_the_child_has_limits_and_none_of_the_daemon_s_secrets(
    imaging: ChildImaging, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMSBRIDGE_TOKEN", "canary")
    file.write_bytes(encode(a_picture(), "JPEG"))
    assert await imaging.read_picture(file, "image/jpeg") is not None
    process = Path(f"/proc/{pid_of(imaging)}")
    assert process.joinpath("environ").read_bytes() in {b"", b"LC_CTYPE=C.UTF-8\0"}
    limits = {line[:25].strip(): line[25:].split()[:2] for line in process.joinpath("limits").read_text().splitlines()}
    assert limits["Max address space"] == ["536870912", "536870912"]
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max processes"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert 0 < int(limits["Max cpu time"][0]) <= 20
    descriptors = {os.readlink(link).partition(":")[0] for link in process.joinpath("fd").iterdir()}
    assert descriptors == {"pipe", "/dev/null"}


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
