"""The process that decodes pictures from strangers, so that the daemon never does.

It is run as a script by imaging.py and imports nothing of smsbridge. Standard input carries questions, standard output
answers; each is a length (4 bytes, big-endian), that much JSON, and for an answer `size` bytes after it. It says
`{"ready": true}` once its limits stand, and ends when its input does.

    {"ask": "read", "file": "/path", "format": "JPEG"}                  -> {"width": 640, "height": 480, "size": 5210}
    {"ask": "shrink", "file": "/path", "format": "PNG", "max_bytes": n} -> {"size": n}
    anything that cannot be done                                        -> {"refused": "DecompressionBombError"}
"""

from __future__ import annotations

import io
import json
import math
import os
import resource
import sys
import warnings
from typing import Any, BinaryIO, Final

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

DECODERS: Final = (AvifImagePlugin, BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin)
"""All that are ever loaded: what is not imported cannot be attacked."""

MAX_PIXELS: Final = 40_000_000
MAX_ANIMATION_PIXELS: Final = 250_000_000
"""Frames times pixels. We decode the first frame only, but a browser that is shown the picture decodes all."""

MAX_MEMORY_BYTES: Final = 512 * 1024 * 1024
MAX_CPU_S: Final = 10
THUMBNAIL_PIXELS: Final = 320
"""Of the longest side."""

MAX_JPEG_PIXELS: Final = 4096
"""Of the longest side: more than any phone shows."""

QUALITIES: Final = (85, 70, 55, 40)
MIN_PIXELS: Final = 32
"""Of the longest side: what is smaller is no picture any more."""


def main() -> None:
    """Answers until the input ends."""
    answers = _take_output()
    _restrict_for_good()
    _write(answers, {"ready": True})
    while (question := _read(sys.stdin.buffer)) is not None:
        _allow_more_time()
        try:
            answer, data = _answer(question)
        except Exception as error:  # noqa: BLE001 -- whatever a decoder raises, the picture cannot be used
            answer, data = {"refused": type(error).__name__}, b""
        _write(answers, answer, data)


def _answer(question: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    with Image.open(question["file"], formats=(question["format"],)) as picture:
        frames = int(getattr(picture, "n_frames", 1))
        if frames * picture.width * picture.height > MAX_ANIMATION_PIXELS:
            raise Image.DecompressionBombError("too many frames")
        if question["ask"] == "read":
            # The size that a viewer sees, which EXIF may have lying on its side.
            width, height = _size_as_seen(picture)
            data = _write_thumbnail(picture)
            return {"width": width, "height": height, "size": len(data)}, data
        data = _write_jpeg(picture, question["max_bytes"])
        return {"size": len(data)}, data


def _size_as_seen(picture: Image.Image) -> tuple[int, int]:
    sideways = picture.getexif().get(_EXIF_ORIENTATION, 1) in {5, 6, 7, 8}
    return (picture.height, picture.width) if sideways else picture.size


_EXIF_ORIENTATION: Final = 0x0112


def _write_thumbnail(picture: Image.Image) -> bytes:
    orientation = picture.getexif().get(_EXIF_ORIENTATION, 1)
    # A JPEG can be decoded at an eighth of its size; all of its bytes are read all the same, so a cut one is noticed.
    picture.draft("RGB", (2 * THUMBNAIL_PIXELS, 2 * THUMBNAIL_PIXELS))
    picture.load()
    small = _in_colour(picture)
    small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    return _save(_upright(small, orientation), "WEBP", quality=80)


def _in_colour(picture: Image.Image) -> Image.Image:
    """The same picture where it can be: a copy of the largest ones would not fit into the memory that there is."""
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)


def _write_jpeg(picture: Image.Image, max_bytes: int) -> bytes:
    """The best of lower quality, then of lower size, that fits. Raises ValueError when nothing does."""
    orientation = picture.getexif().get(_EXIF_ORIENTATION, 1)
    picture.draft("RGB", (MAX_JPEG_PIXELS, MAX_JPEG_PIXELS))
    picture.load()
    whole = _in_colour(picture)
    whole.thumbnail((MAX_JPEG_PIXELS, MAX_JPEG_PIXELS))
    if whole.mode == "RGBA":
        paper = Image.new("RGB", whole.size, "white")
        paper.paste(whole, mask=whole.getchannel("A"))
        whole = paper
    whole = _upright(whole, orientation)
    while max(whole.size) >= MIN_PIXELS:
        size_bytes = 0
        for quality in QUALITIES:
            data = _save(whole, "JPEG", quality=quality, optimize=True)
            size_bytes = len(data)
            if size_bytes <= max_bytes:
                return data
        # A little more than the bytes ask for, because a smaller picture bears a better quality.
        factor = min(0.8, math.sqrt(max_bytes / size_bytes) * 1.2)
        whole = whole.resize(
            (max(1, round(whole.width * factor)), max(1, round(whole.height * factor))),
            Image.Resampling.LANCZOS,
            reducing_gap=2.0,
        )
    raise ValueError("cannot be made that small")


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return picture if turn is None else picture.transpose(turn)


_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _save(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Pixels only: place, camera, comments and colour profile stay behind."""
    picture.info.clear()
    out = io.BytesIO()
    picture.save(out, kind, exif=b"", **options)
    return out.getvalue()


def _take_output() -> BinaryIO:
    """The real standard output, for answers alone; whatever a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _restrict_for_good() -> None:
    """No more memory, no file written, no process or thread started, no core with somebody's picture in it."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    # Between one and two times the limit Pillow only warns.
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    for kind, limit in (
        (resource.RLIMIT_AS, MAX_MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def _allow_more_time() -> None:
    """The limit on processor time is for the whole life of a process; each question gets its own share."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent_s = math.ceil(used.ru_utime + used.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent_s + MAX_CPU_S, hard))


def _read(questions: BinaryIO) -> dict[str, Any] | None:
    """The next question, or None at the end of the input."""
    length = questions.read(4)
    if len(length) < 4:
        return None
    question: dict[str, Any] = json.loads(questions.read(int.from_bytes(length, "big")))
    return question


def _write(answers: BinaryIO, answer: dict[str, Any], data: bytes = b"") -> None:
    text = json.dumps(answer).encode()
    answers.write(len(text).to_bytes(4, "big") + text + data)
    answers.flush()


if __name__ == "__main__":
    main()
