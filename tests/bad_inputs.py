"""Input files for the tests: a few good ones, and many hostile, damaged or merely odd ones.

One function a case, and each writes one file. Nearly all of the PDFs are written byte by byte
here, so that a test of the PDF library does not rest on that library's own writer. ``CASES`` at
the end lists the bad and odd ones under the suffix that suits them, for parametrised tests.
"""

from __future__ import annotations

import os
import random
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pymupdf
from PIL import Image, ImageDraw, ImageFont

Draw = Callable[[float], "npt.NDArray[np.uint8] | None"]
_mupdf: Any = pymupdf  # much of it is made at run time, where no type checker can see it

#: The text that stays readable in the PDFs which are bad elsewhere.
READABLE = "This sentence is still readable."
#: When the frames of ``variable_rate_video`` are shown, in milliseconds: uneven, with one long gap.
VARIABLE_TIMES_MS = (0, 40, 80, 200, 240, 1000, 1010, 1500, 4000, 4040)

_CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
_A4_LEAF = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] >>"


def _stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(data), data)


def _write_pdf(path: Path, objects: Iterable[bytes]) -> None:
    """Write a PDF of these objects, numbered from 1, the first being the catalog, with its xref."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    table = [b"0000000000 65535 f \n"]
    for number, body in enumerate(objects, 1):
        table.append(b"%010d 00000 n \n" % len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    n, start = len(table), len(out)
    out += b"xref\n0 %d\n%strailer\n<< /Size %d /Root 1 0 R >>\n" % (n, b"".join(table), n)
    path.write_bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def _show(lines: Iterable[str], x: float, y: float, font_size: float = 11) -> bytes:
    """Content operators which show these lines in the font /F1, the first with its foot at x, y."""
    escaped = (s.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for s in lines)
    shown = "\n".join(f"({s}) Tj T*" for s in escaped)
    text = f"BT /F1 {font_size:g} Tf {font_size * 1.3:g} TL {x:g} {y:g} Td\n{shown}\nET\n"
    return text.encode("cp1252", "replace")


def _write_page(path: Path, content: bytes, box: str = "0 0 595 842", page: bytes = b"",
                entries: bytes = b"", x_object: bytes | None = None) -> None:  # fmt: skip
    """A PDF of one page with this content, ``entries`` in the stream of it, and /X if there is one."""
    head = b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 5 0 R %s" % (box.encode(), page)
    leaf = head + b" /Resources << /Font << /F1 4 0 R >> /XObject << /X 6 0 R >> >> >>"
    tree = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    _write_pdf(path, [_CATALOG, tree, leaf, _FONT, _stream(content, entries), x_object or b"null"])


def line_text(page: int, line: int) -> str:
    """The text of one line that ``text_pdf`` writes; both numbers count from 1."""
    return f"Page {page} line {line:02d}: the quick brown fox jumps over the lazy dog."


def text_pdf(path: Path, pages: int, lines_a_page: int = 30, font_size: float = 11.0) -> None:
    """A good PDF of A4 pages, every line of them ``line_text``."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * i) for i in range(pages))
    objects = [_CATALOG, b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, pages), _FONT]
    for i in range(pages):
        rest = b" /Contents %d 0 R /Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * i)
        lines = [line_text(i + 1, n + 1) for n in range(lines_a_page)]
        objects += [_A4_LEAF[:-3] % 2 + rest, _stream(_show(lines, 56, 770, font_size))]
    _write_pdf(path, objects)


def empty_file(path: Path) -> None:
    """A file of no bytes, whatever its name says."""
    path.write_bytes(b"")


def wrong_content(path: Path) -> None:
    """The web page that a download behind a log-in often is, if named .pdf; else plain text."""
    page = "<!DOCTYPE html>\n<html><body><h1>403</h1><p>Please log in.</p></body></html>\n"
    path.write_text(page if path.suffix == ".pdf" else "This is neither image nor video.\n" * 50)


def encrypted_pdf(path: Path, password: str = "open sesame") -> None:
    """A PDF of two pages that shows nothing without its user password."""
    text_pdf(path, 2)
    with _mupdf.open("pdf", path.read_bytes()) as doc:
        doc.save(path, encryption=_mupdf.PDF_ENCRYPT_AES_256, owner_pw="owner", user_pw=password)


def truncated_pdf(path: Path, share: float = 0.6, pages: int = 4) -> None:
    """A text PDF of which only ``share`` arrived: amid page 3, and repairable; with 5 pages it is not."""
    text_pdf(path, pages)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def no_pages_pdf(path: Path) -> None:
    """A sound PDF whose page tree is empty."""
    _write_pdf(path, [_CATALOG, b"<< /Type /Pages /Kids [] /Count 0 >>"])


def huge_page_pdf(path: Path, width: int = 2_147_483_648) -> None:
    """A page 2**31 points wide: one more than a signed 32-bit number holds."""
    _write_page(path, _show([READABLE], 72, 700), f"0 0 {width} 842")


def poster_pdf(path: Path, side: int = 14_400) -> None:
    """A page of 200 by 200 inches, the largest that the PDF standard foresaw, with some text."""
    content = _show([READABLE], 400, side - 1400, 400) + _show(["small print"], 400, 400)
    _write_page(path, content, f"0 0 {side} {side}")


def strokes_pdf(path: Path, strokes: int = 1_000_000) -> None:
    """A small file of one page with so many dashed curves that it takes minutes to draw."""
    rng = random.Random(1)
    curve = b"%d %d m %d %d %d %d %d %d c S\n"
    curves = [curve % tuple(rng.randrange(20, 570) for _ in range(8)) for _ in range(500)]
    content = b"0.3 w [1.5 1] 0 d\n" + b"".join(curves) * (strokes // 500) + b"".join(curves[: strokes % 500])
    packed = zlib.compress(_show([READABLE], 72, 800) + content, 9)
    _write_page(path, packed, entries=b"/Filter /FlateDecode")


def corrupt_image_pdf(path: Path) -> None:
    """A page of readable text beside a JPEG image whose data is noise after its first headers."""
    Image.new("RGB", (200, 200), "teal").save(path, "JPEG")
    entries = b"/Type /XObject /Subtype /Image /Width 200 /Height 200 /ColorSpace /DeviceRGB"
    entries += b" /BitsPerComponent 8 /Filter /DCTDecode"
    image = _stream(path.read_bytes()[:160] + random.Random(2).randbytes(2000), entries)
    _write_page(path, _show([READABLE], 72, 700) + b"q 200 0 0 200 72 400 cm /X Do Q", x_object=image)


def broken_xref_pdf(path: Path, pages: int = 3) -> None:
    """A PDF with every object in it, but whose xref points to wrong places: repairable."""
    text_pdf(path, pages)
    path.write_bytes(path.read_bytes().replace(b"\n000000", b"\n000001"))


def rotated_pdf(path: Path, degrees: int = 90) -> None:
    """A page with /Rotate: 595 by 842 as written, 842 by 595 as shown, its text sideways."""
    _write_page(path, _show([READABLE], 72, 700, 20), page=b"/Rotate %d" % degrees)


def cropped_pdf(path: Path) -> None:
    """A page that shows 300 by 200 points of its 595 by 842; "Cut away." lies outside of them."""
    content = _show([READABLE], 110, 590) + _show(["Cut away."], 110, 200)
    _write_page(path, content, page=b"/CropBox [100 500 400 700]")


def form_pdf(path: Path) -> None:
    """A page with a filled-in text field and a note of free text on yellow, both of them visible."""
    _write_page(path, _show(["Name:"], 72, 700))
    with _mupdf.open("pdf", path.read_bytes()) as doc:
        field = _mupdf.Widget()
        field.field_type, field.field_name = _mupdf.PDF_WIDGET_TYPE_TEXT, "name"
        field.field_value, field.text_fontsize = "Ada Lovelace", 14
        field.rect = _mupdf.Rect(120, 125, 320, 150)
        doc[0].add_widget(field)
        note = _mupdf.Rect(72, 200, 320, 240)
        doc[0].add_freetext_annot(note, "A note in the margin", fontsize=14, fill_color=(1, 1, 0))
        doc.save(path)


def page_tree_loop_pdf(path: Path) -> None:
    """A page tree that names itself as its own first child, before one sound page."""
    _write_pdf(path, [_CATALOG, b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 2 >>", _A4_LEAF % 2])


def form_loop_pdf(path: Path) -> None:
    """A page whose content calls a form XObject that calls itself, twice."""
    entries = b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << /X 6 0 R >> >>"
    form = _stream(b"/X Do /X Do 100 100 50 50 re f", entries)
    _write_page(path, _show([READABLE], 72, 700) + b"/X Do", x_object=form)


def _picture(lines: Iterable[str], size: tuple[int, int] = (300, 200), font_size: float = 24) -> Image.Image:
    picture = Image.new("RGB", size, "white")
    font = ImageFont.load_default(font_size)
    ImageDraw.Draw(picture).multiline_text((10, 10), "\n".join(lines), "black", font)
    return picture


def text_image(path: Path, lines: Iterable[str], size: tuple[int, int], font_size: float = 24) -> None:
    """A good image of black text on white, in the format that the suffix names."""
    _picture(lines, size, font_size).save(path)


def truncated_png(path: Path) -> None:
    """A PNG whose pixel data stops half way: its size can be read, its pixels cannot."""
    noise = np.random.default_rng(3).integers(0, 256, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(path, "PNG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def bad_checksum_png(path: Path) -> None:
    """A PNG with a few wrong bytes in its pixel data, which its checksums give away."""
    _picture(["wrong checksum"]).save(path, "PNG")
    head, pixels = path.read_bytes().split(b"IDAT", 1)
    path.write_bytes(head + b"IDAT" + pixels[:40] + b"\xff" * 8 + pixels[48:])


def bomb_png(path: Path, side: int = 30_000) -> None:
    """A sound PNG of side x side white pixels: 150 kB here, hundreds of megabytes once decoded."""
    data = zlib.compress((b"\x00" + b"\xff" * ((side + 7) // 8)) * side, 9)
    out, header = b"\x89PNG\r\n\x1a\n", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    for body in (b"IHDR" + header, b"IDAT" + data, b"IEND"):
        out += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(out)


def tiny_png(path: Path) -> None:
    """A PNG of a single red pixel."""
    Image.new("RGB", (1, 1), "red").save(path)


def sideways_jpeg(path: Path) -> None:
    """A JPEG of 300 x 200 pixels, EXIF orientation 6: to be shown as 200 x 300, text upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = _picture(["upright", "when turned"], (200, 300)).transpose(Image.Transpose.ROTATE_90)
    picture.save(path, "JPEG", exif=exif, quality=90)


def cmyk_jpeg(path: Path) -> None:
    """A JPEG in CMYK, as printers send: black text on white once converted to RGB."""
    _picture(["printer's colours"]).convert("CMYK").save(path, "JPEG", quality=90)


def gray16_png(path: Path) -> None:
    """A PNG of 16 bits a pixel, a ramp from 0 to 65535: nearly all white if clipped, not scaled."""
    ramp = np.linspace(0, 65535, 300).astype(np.uint16)
    Image.fromarray(np.tile(ramp, (200, 1))).save(path, "PNG")


def alpha_png(path: Path) -> None:
    """Black text on a wholly transparent black ground: all black where alpha is thrown away."""
    mask = _picture(["transparent ground"]).convert("L").point([255 - v for v in range(256)])
    black = Image.new("L", mask.size)
    Image.merge("RGBA", (black, black, black, mask)).save(path, "PNG")


def three_pictures(path: Path) -> None:
    """A .tif of three pages, as scanners send, or an animated .webp: each says which one it is."""
    pages = [_picture([f"number {n} of 3"]) for n in (1, 2, 3)]
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=100)


def _encode(path: Path, pts: Sequence[int], time_base: Fraction, fps: int | Fraction = 25,
            size: tuple[int, int] = (320, 240), keyframe_every: int = 25, codec: str = "libx264",
            draw: Draw | None = None, b_frames: int = 2, movflags: str = "") -> None:  # fmt: skip
    """Write one frame at each of these times, in units of ``time_base``."""
    options = {"threads": "1", "g": str(keyframe_every)}
    if codec == "libx264":  # which .webm may not hold, and .avi not with the right times
        codec = {".webm": "libvpx", ".avi": "mpeg4"}.get(path.suffix, codec)
    if codec.startswith("libvpx"):
        options |= {"deadline": "realtime", "cpu-used": "8"}
    elif codec == "libx264":  # "mbtree" varies from run to run; in .ts B-frames put off all times
        options |= {"preset": "veryfast", "mbtree": "0", "sc_threshold": "0"}
        options["bf"] = "0" if path.suffix == ".ts" else str(b_frames)
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as out:
        stream = out.add_stream(codec, rate=fps, options=options)
        assert isinstance(stream, av.VideoStream)
        (stream.width, stream.height), stream.codec_context.time_base = size, time_base
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for i, when in enumerate(pts):
            seconds = float(when * time_base)
            pixels = draw(seconds) if draw else None
            if pixels is None:
                pixels = np.asarray(_picture([f"{seconds:.3f} s"], size, size[1] / 6))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = when, time_base
            frame.duration = pts[i + 1] - when if i + 1 < len(pts) else round(1 / (fps * time_base))
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def video(path: Path, seconds: float, fps: int | Fraction = 25, size: tuple[int, int] = (320, 240),
          keyframe_every: int = 25, codec: str = "libx264", draw: Draw | None = None) -> None:  # fmt: skip
    """A good .mp4, .mkv, .webm, .avi or .ts: each frame shows its time, or what ``draw`` makes of it."""
    count = max(1, round(seconds * fps))
    _encode(path, range(count), 1 / Fraction(fps), fps, size, keyframe_every, codec, draw)


def audio_only_mp4(path: Path, seconds: int = 2) -> None:
    """A sound MP4 with a tone in it and no video stream."""
    tone = np.sin(np.arange(44_100 * seconds) / 16).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(tone[np.newaxis], format="flt", layout="mono")
    frame.sample_rate, frame.pts = 44_100, 0
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=44_100)
        out.mux([*stream.encode(frame), *stream.encode(None)])


def no_index_mp4(path: Path, share: float = 0.6, movflags: str = "") -> None:
    """4 s of MP4 cut before its index, which lay at the end: nothing can be shown."""
    _encode(path, range(100), Fraction(1, 25), movflags=movflags)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def cut_faststart_mp4(path: Path, share: float = 0.6) -> None:
    """4 s of MP4 with its index at the front, cut: promises 100 frames, holds somewhat over 50."""
    no_index_mp4(path, share, movflags="faststart")


def damaged_mp4(path: Path, share: float = 0.2) -> None:
    """4 s of MP4 with noise over the middle ``share`` of it; its index and its ends are sound."""
    video(path, 4)
    data = path.read_bytes()
    noise = random.Random(4).randbytes(int(len(data) * share))
    at = (len(data) - len(noise)) // 2
    path.write_bytes(data[:at] + noise + data[at + len(noise) :])


def one_frame_video(path: Path) -> None:
    """A video of a single frame."""
    video(path, 0)


def variable_rate_video(path: Path, times_ms: Sequence[int] = VARIABLE_TIMES_MS, b_frames: int = 0) -> None:
    """One frame at each time, .mp4 or .mkv; with 2 ``b_frames`` the .mp4 understates its duration."""
    _encode(path, times_ms, Fraction(1, 1000), b_frames=b_frames)


def rotated_mp4(path: Path) -> None:
    """1 s of 320 x 240, marked to be turned a quarter clockwise: shown as 240 x 320, text upright."""

    def draw(seconds: float) -> npt.NDArray[np.uint8]:
        return np.ascontiguousarray(np.rot90(np.asarray(_picture([f"{seconds:.3f} s"], (240, 320), 40))))

    video(path, 1, draw=draw)
    one = 1 << 16
    upright = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, one, 0, -one, 0, 0, 240 * one, 0, 1 << 30)
    path.write_bytes(turned.join(path.read_bytes().rsplit(upright, 1)))  # the last: the track's own


def late_start_video(path: Path, start: int = 10) -> None:
    """2 s of .ts or .mkv whose first frame is at ``start`` seconds, as in a cut broadcast."""
    _encode(path, range(start * 25, start * 25 + 50), Fraction(1, 25))


def odd_names(suffix: str = ".pdf", undecodable: bool = False) -> list[str]:
    """Names that break careless code, all valid on Linux; if ``undecodable``, one not in UTF-8 too."""
    stems = [
        "two  spaces", " space before", "single ' quote", 'double " quote', "new\nline", "hash #1",
        "per%20cent", "question?", "copy [1]", "star *", "-leading dash", "semi;colon & $HOME `id`",
        "back\\slash", "concat:a|b", "<b>bold", "=1+1", "Отчёт", "报告", "تقرير", "chart 📊",
    ]  # fmt: skip
    return [stem + suffix for stem in stems + [os.fsdecode(b"caf\xe9")] * undecodable]


#: The bad and odd files: what writes them, by suffix. ``strokes_pdf`` takes minutes to draw and
#: ``bomb_png`` about a gigabyte to decode, so a test of either wants a limit around it.
CASES: dict[str, tuple[Callable[[Path], None], ...]] = {
    ".pdf": (empty_file, wrong_content, encrypted_pdf, truncated_pdf, no_pages_pdf, huge_page_pdf,
             poster_pdf, strokes_pdf, corrupt_image_pdf, broken_xref_pdf, rotated_pdf, cropped_pdf,
             form_pdf, page_tree_loop_pdf, form_loop_pdf),
    ".png": (empty_file, wrong_content, truncated_png, bad_checksum_png, bomb_png, tiny_png, gray16_png,
             alpha_png),
    ".jpg": (sideways_jpeg, cmyk_jpeg), ".tif": (three_pictures,), ".webp": (three_pictures,),
    ".mp4": (empty_file, wrong_content, audio_only_mp4, no_index_mp4, cut_faststart_mp4, damaged_mp4,
             one_frame_video, variable_rate_video, rotated_mp4),
    ".mkv": (variable_rate_video, late_start_video), ".ts": (late_start_video,),
}  # fmt: skip
