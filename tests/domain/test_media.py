"""Types are told from bytes; nothing that runs is taken; names are safe on every system."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smsbridge.domain.media import (
    MAX_FILENAME_CHARS,
    PICTURE_TYPES,
    SNIFF_BYTES,
    TAKEN_TYPES,
    is_picture,
    safe_filename,
    sniff_type,
)


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + major + b"\0\0\0\0" + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body + b"\0\0\0\x08free"


TAKEN = [
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
    (b"GIF89a\x01\0\x01\0", "image/gif"),
    (b"GIF87a\x01\0\x01\0", "image/gif"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
    (b"BM" + bytes(12) + b"\x28\0\0\0", "image/bmp"),
    (b"II*\0\x08\0\0\0", "image/tiff"),
    (b"MM\0*\0\0\0\x08", "image/tiff"),
    (ftyp(b"heic", b"mif1", b"heic"), "image/heic"),
    (ftyp(b"mif1", b"mif1", b"heic"), "image/heic"),
    (ftyp(b"mif1", b"mif1", b"avif"), "image/avif"),
    (ftyp(b"mif1", b"mif1"), "image/heif"),
    (ftyp(b"avif", b"mif1"), "image/avif"),
    (ftyp(b"isom", b"isom", b"avc1"), "video/mp4"),
    (ftyp(b"mp42", b"isom"), "video/mp4"),
    (ftyp(b"M4V "), "video/mp4"),
    (ftyp(b"3gp5", b"isom"), "video/3gpp"),
    (ftyp(b"3g2a"), "video/3gpp2"),
    (ftyp(b"qt  "), "video/quicktime"),
    (b"\0\0\0\x08wide\0\0\0\0mdat", "video/quicktime"),
    (b"\0\0\x10\0moov\0\0\0\x6cmvhd", "video/quicktime"),
    (ftyp(b"M4A ", b"mp42"), "audio/mp4"),
    (ftyp(b"????", b"mp42"), "video/mp4"),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm"),
    (b"OggS\0\x02" + bytes(22) + b"\x01\x13OpusHead", "audio/ogg"),
    (b"OggS\0\x02" + bytes(22) + b"\x01\x2a\x80theora", "video/ogg"),
    (b"ID3\x03\0\0\0\0\0\x21", "audio/mpeg"),
    (b"\xff\xfb\x90\x64\0\0", "audio/mpeg"),
    (b"\xff\xf3\x40\xc0\0\0", "audio/mpeg"),
    (b"\xff\xf1\x50\x80\x02\x1f", "audio/aac"),
    (b"#!AMR\n\x3c\x91", "audio/amr"),
    (b"#!AMR-WB\n\x04", "audio/amr-wb"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
    (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "application/pdf"),
    (b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann\r\nEND:VCARD\r\n", "text/vcard"),
    (b"\xef\xbb\xbfbegin:vcard\nVERSION:4.0\n", "text/vcard"),
    (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "text/calendar"),
    ("Grüße aus Köln, 3 < 4 und I <3 U".encode(), "text/plain"),
    (b"BMW and MZ and GIF are names\n", "text/plain"),
]

NAMED_BUT_NOT_TAKEN = [
    (b"MZ\x90\0\x03\0\0\0", "application/vnd.microsoft.portable-executable"),
    (b"\x7fELF\x02\x01\x01\0", "application/x-elf"),
    (b"PK\x03\x04\x14\0\0\0", "application/zip"),
    (b"\x1f\x8b\x08\0", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c\0\x04", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07\x01\0", "application/vnd.rar"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "application/x-ole-storage"),
    (b"{\\rtf1\\ansi", "application/rtf"),
    (b"%!PS-Adobe-3.0 EPSF", "application/postscript"),
    (b"#!/bin/sh\nrm -rf /\n", "text/x-script"),
    (b"<!DOCTYPE html><html>", "text/html"),
    (b"  \n<HTML><body onload=alert(1)>", "text/html"),
    (b"hello <script>alert(1)</script>", "text/html"),
    (b"hello <b>you</b>", "text/html"),
    (b"BEGIN:VCARD\nNOTE:<img src=x onerror=alert(1)>\nEND:VCARD\n", "text/html"),
    (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml"),
    (b"<?xml version='1.0'?><svg/>", "image/svg+xml"),
    (b"<?xml version='1.0'?><note/>", "application/xml"),
    (b"<smil><head></head></smil>", "application/smil"),
    (b"RIFF\x24\0\0\0AVI LIST", "video/x-msvideo"),
    (b"\x1a\x45\xdf\xa3\x01\0\0\0\x42\x82\x88matroska", "video/x-matroska"),
]

UNKNOWN = [b"", b"   \r\n", b"\0\0\0\0", b"\xde\xad\xbe\xef", b"text with \x00 zero", b"caf\xe9 in Latin-1 and more",
           b"\xff\xfet\0e\0x\0t\0", b"bell \x07", b"\xff\xfb\xf0\x64", b"\xff", b"\xff\xfb"]  # fmt: skip


@pytest.mark.parametrize(("head", "content_type"), TAKEN)
def test_a_type_that_messages_carry_is_told_from_its_bytes(head: bytes, content_type: str) -> None:
    assert sniff_type(head) == content_type
    assert content_type in TAKEN_TYPES


@pytest.mark.parametrize(("head", "content_type"), NAMED_BUT_NOT_TAKEN)
def test_what_can_run_is_named_and_never_taken(head: bytes, content_type: str) -> None:
    assert sniff_type(head) == content_type
    assert content_type not in TAKEN_TYPES


@pytest.mark.parametrize("head", UNKNOWN)
def test_what_proves_nothing_has_no_type(head: bytes) -> None:
    assert sniff_type(head) is None


def test_every_taken_type_can_be_told() -> None:
    assert {content_type for _, content_type in TAKEN} == TAKEN_TYPES


def test_a_character_cut_by_the_end_of_the_head_is_no_reason_to_refuse_a_text() -> None:
    text = ("ö" * SNIFF_BYTES).encode()
    for cut in range(1, 8):
        assert sniff_type(text[:cut] or b"") in ({None} if cut == 1 else {"text/plain"})
    assert sniff_type(("€" * 100).encode()[:-1]) == "text/plain"
    assert sniff_type("😀😀".encode()[:-1]) == "text/plain"


def test_a_byte_that_is_wrong_in_the_middle_is_no_text() -> None:
    assert sniff_type(b"good \xc3( bad") is None


@given(st.binary(max_size=64))
@example(b"\0\0\0\x10ftyp")
@example(b"\0\0\0\0ftypM4A")
def test_any_bytes_give_an_answer(head: bytes) -> None:
    assert sniff_type(head) is None or "/" in str(sniff_type(head))


@given(st.sampled_from(TAKEN), st.binary(max_size=40))
def test_a_beginning_followed_by_anything_still_gives_an_answer(sample: tuple[bytes, str], rest: bytes) -> None:
    found = sniff_type(sample[0][: len(rest)] + rest)
    assert found is None or "/" in found


def test_only_what_browsers_show_and_we_decode_is_a_picture() -> None:
    assert all(is_picture(content_type) for content_type in PICTURE_TYPES)
    assert PICTURE_TYPES < TAKEN_TYPES
    assert not any(map(is_picture, ["image/svg+xml", "image/tiff", "image/heic", "video/mp4", "", "IMAGE/PNG"]))


@pytest.mark.parametrize(
    ("name", "content_type", "safe"),
    [
        ("photo.jpg", "image/jpeg", "photo.jpg"),
        ("Photo.JPEG", "image/jpeg", "Photo.JPEG"),
        ("../../etc/passwd", "image/png", "passwd.png"),
        ("C:\\Users\\x\\report.pdf", "application/pdf", "report.pdf"),
        ("evil.html", "image/jpeg", "evil_html.jpg"),
        ("photo.jpg.exe", "image/jpeg", "photo_jpg_exe.jpg"),
        ("photo.exe.jpg", "image/jpeg", "photo_exe.jpg"),
        ("photo\u202egpj.exe", "image/png", "photogpj_exe.png"),
        ("a\r\nSet-Cookie: x=1.png", "image/png", "a_Set-Cookie_x_1.png"),
        ("Überraschung für Zoë.png", "image/png", "Uberraschung_fur_Zoe.png"),
        ("фото.jpg", "image/jpeg", "attachment.jpg"),
        ("", "text/vcard", "attachment.vcf"),
        ("...", "text/plain", "attachment.txt"),
        ("-rf.txt", "text/plain", "rf.txt"),
        ("con.txt", "text/plain", "file_con.txt"),
        ("COM1", "text/plain", "file_COM1.txt"),
        ("a;b&c`d`.png", "image/png", "a_b_c_d.png"),
        ("report (1).pdf", "application/pdf", "report_(1).pdf"),
        ("x" * 300 + ".png", "image/png", "x" * 96 + ".png"),
        ("thing", "text/html", "thing.bin"),
    ],
)
def test_a_name_is_made_safe(name: str, content_type: str, safe: str) -> None:
    assert safe_filename(name, content_type) == safe


@given(st.text(max_size=400), st.sampled_from(sorted(TAKEN_TYPES)))
def test_any_name_gives_a_plain_short_one_with_a_fitting_ending(name: str, content_type: str) -> None:
    safe = safe_filename(name, content_type)
    assert re.fullmatch(r"[A-Za-z0-9()][A-Za-z0-9_()-]*\.[A-Za-z0-9]{2,5}", safe)
    assert len(safe) <= MAX_FILENAME_CHARS
    assert safe_filename(safe, content_type) == safe
