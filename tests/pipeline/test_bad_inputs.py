"""What becomes of damaged, hostile and odd files: one `assets` row each, a clear failure, and no harm to the others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bad_inputs
import pytest
from pipelines import Runner, Tables

SECONDS = 3
"""Limit of the jobs here: what a page of a million strokes overruns by far, and nothing else comes near to."""

QUARANTINED = {
    "empty_file.pdf": ("probe", "empty", "holds no bytes: upload it again"),
    "empty_file.png": ("probe", "empty", "holds no bytes: upload it again"),
    "empty_file.mp4": ("probe", "empty", "holds no bytes: upload it again"),
    "wrong_content.pdf": ("probe", "unsupported", "not a PDF, image or video: it looks like HTML"),
    "wrong_content.png": ("probe", "unsupported", "not a PDF, image or video: it looks like plain text"),
    "wrong_content.mp4": ("probe", "unsupported", "not a PDF, image or video: it looks like plain text"),
    "encrypted_pdf.pdf": ("probe", "encrypted", "needs a password that the job's 'passwords' does not hold"),
    "hopeless_pdf.pdf": ("probe", "damaged", "open it in a viewer and save it again"),
    "no_pages_pdf.pdf": ("probe", "empty", "has no pages, or its list of pages is broken; export it again"),
    "huge_page_pdf.pdf": ("render", "too_large", "page 1 claims 2147483648 x 842 pt; save it at its real size"),
    "strokes_pdf.pdf": ("render", "timeout", "took over 3 s; raise limits.seconds to allow it more"),
    "page_tree_loop_pdf.pdf": ("render", "damaged", "cycle in page tree); save it again"),
    "truncated_png.png": ("probe", "damaged", "cannot be decoded (image file is truncated); open it in a viewer"),
    "bad_checksum_png.png": ("probe", "damaged", "cannot be decoded (broken data stream when reading image file)"),
    "bomb_png.png": ("probe", "too_large", "has 30000 x 30000 pixels, and at most 400,000,000 are read; save it"),
    "audio_only_mp4.mp4": ("probe", "no_video", "has no video stream; leave it out of the job's inputs"),
    "no_index_mp4.mp4": ("probe", "damaged", "its index is missing: it was cut off); upload it again"),
}
PARTIAL = {
    "truncated_pdf.pdf": (4, 1, "missing from the file: it was cut off or damaged; upload it again"),
    "corrupt_image_pdf.pdf": (1, 0, "not all of the page could be drawn (library error: jpeg error"),
    "strokes_amid.pdf": (3, 1, "took over 3 s; raise limits.seconds to allow it more"),
    "broken_page.tif": (3, 1, "its pixels cannot be decoded (decoder error -2); open it in a viewer"),
    "cut_faststart_mp4.mp4": (4, 1, "shows nothing from 3 s to 4 s (1 damaged packets): the file is cut off"),
    "damaged_mp4.mp4": (4, 1, "shows nothing from 2 s to 3 s (2 damaged packets): the file is cut off"),
}
OK = {
    "good.pdf": 2, "good.mp4": 3, "broken_xref_pdf.pdf": 3, "poster_pdf.pdf": 1, "rotated_pdf.pdf": 1,
    "cropped_pdf.pdf": 1, "form_pdf.pdf": 1, "form_loop_pdf.pdf": 1, "tiny_png.png": 1, "gray16_png.png": 1,
    "alpha_png.png": 1, "sideways_jpeg.jpg": 1, "cmyk_jpeg.jpg": 1, "three_pictures.tif": 3, "three_pictures.webp": 1,
    "one_frame_video.mp4": 1, "variable_rate_video.mp4": 5, "variable_rate_video.mkv": 5, "rotated_mp4.mp4": 1,
    "late_start_video.mkv": 2, "late_start_video.ts": 2,
}


def strokes_amid(path: Path) -> None:
    """A million strokes on the second of three pages, the others good."""
    pymupdf: Any = bad_inputs.pymupdf
    hostile = path.with_suffix(".one")
    bad_inputs.text_pdf(path, 2, 3)
    bad_inputs.strokes_pdf(hostile)
    with pymupdf.open("pdf", path.read_bytes()) as whole, pymupdf.open("pdf", hostile.read_bytes()) as page:
        whole.insert_pdf(page, start_at=1)
        whole.save(path, deflate=True)
    hostile.unlink()


def broken_page(path: Path, page: int = 1) -> None:
    """A TIFF of three pages, one of whose compressed pixels is nonsense."""
    pictures = [bad_inputs._picture([f"number {number} of 3"]) for number in (1, 2, 3)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], compression="tiff_adobe_deflate")
    with bad_inputs.Image.open(path) as image:
        image.seek(page - 1)
        start, length = image.tag_v2[273][0], image.tag_v2[279][0]
    data = path.read_bytes()
    path.write_bytes(data[:start] + b"\xff" * length + data[start + length :])


@pytest.fixture(scope="module")
def tables(run: Runner, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables of one job over every case, and the good files among them."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "in").mkdir()
    for suffix, cases in bad_inputs.CASES.items():
        for case in cases:
            case(folder / "in" / (case.__name__ + suffix))
    bad_inputs.text_pdf(folder / "in" / "good.pdf", 2, 3)
    bad_inputs.video(folder / "in" / "good.mp4", 3)
    bad_inputs.truncated_pdf(folder / "in" / "hopeless_pdf.pdf", pages=5)
    strokes_amid(folder / "in" / "strokes_amid.pdf")
    broken_page(folder / "in" / "broken_page.tif")
    return run(folder, limits={"seconds": SECONDS})


def of(tables: Tables, table: str, name: str) -> list[dict[str, Any]]:
    return [row for row in tables[table] if row["asset"].endswith("/" + name)]


def test_every_file_ends_in_exactly_one_row_of_assets(tables: Tables) -> None:
    names = sorted(row["asset"].rpartition("/")[2] for row in tables["assets"])
    assert names == sorted([*QUARANTINED, *PARTIAL, *OK])


@pytest.mark.parametrize("name", QUARANTINED)
def test_a_file_of_which_nothing_can_be_seen_is_quarantined_and_says_why(tables: Tables, name: str) -> None:
    phase, category, message = QUARANTINED[name]
    [asset] = of(tables, "assets", name)
    assert (asset["status"], asset["coverage"]) == ("quarantined", 0)
    failure = of(tables, "failures", name)[0]
    assert (failure["phase"], failure["category"]) == (phase, category)
    assert message in failure["message"]
    assert asset["reason"].startswith(failure["message"])
    assert failure["retryable"] is (category == "timeout")
    assert of(tables, "transcripts", name) == []


@pytest.mark.parametrize("name", PARTIAL)
def test_a_file_of_which_a_part_can_be_seen_is_partial_and_the_part_is_read(tables: Tables, name: str) -> None:
    units, failed, message = PARTIAL[name]
    [asset] = of(tables, "assets", name)
    assert (asset["status"], asset["units"], asset["units_failed"]) == ("partial", units, failed)
    assert asset["coverage"] == 1 - failed / units
    assert any(message in row["message"] for row in of(tables, "failures", name))
    assert len(of(tables, "transcripts", name)) == units - failed


@pytest.mark.parametrize("name", OK)
def test_a_file_that_is_merely_odd_is_read_whole(tables: Tables, name: str) -> None:
    [asset] = of(tables, "assets", name)
    assert (asset["status"], asset["units"], asset["units_failed"]) == ("ok", OK[name], 0)
    assert of(tables, "failures", name) == []


@pytest.mark.parametrize(("name", "page", "text"), [
    ("good.pdf", 2, bad_inputs.line_text(2, 3)), ("broken_xref_pdf.pdf", 3, bad_inputs.line_text(3, 30)),
    ("corrupt_image_pdf.pdf", 1, bad_inputs.READABLE), ("poster_pdf.pdf", 1, "small print"),
    ("rotated_pdf.pdf", 1, bad_inputs.READABLE), ("form_pdf.pdf", 1, "Ada Lovelace"),
    ("form_pdf.pdf", 1, "A note in the margin"), ("form_loop_pdf.pdf", 1, bad_inputs.READABLE),
    ("strokes_amid.pdf", 1, bad_inputs.line_text(1, 3)), ("strokes_amid.pdf", 3, bad_inputs.line_text(2, 3)),
    ("truncated_pdf.pdf", 3, bad_inputs.line_text(3, 1)), ("broken_page.tif", 3, "number 3 of 3"),
    ("three_pictures.tif", 2, "number 2 of 3"), ("alpha_png.png", 1, "transparent ground"),
    ("sideways_jpeg.jpg", 1, "upright when turned"), ("cmyk_jpeg.jpg", 1, "printer's colours"),
])  # fmt: skip
def test_what_can_be_read_is_read(tables: Tables, name: str, page: int, text: str) -> None:
    [transcript] = [row for row in of(tables, "transcripts", name) if row["page"] == page]
    assert text in " ".join(transcript["text"].split())


def test_what_was_cropped_away_is_not_read(tables: Tables) -> None:
    assert [row["text"] for row in of(tables, "transcripts", "cropped_pdf.pdf")] == [bad_inputs.READABLE]


def test_a_repaired_file_is_marked(tables: Tables) -> None:
    assert {row["asset"].rpartition("/")[2] for row in tables["assets"] if row["repaired"]} \
        == {"broken_xref_pdf.pdf", "truncated_pdf.pdf"}


@pytest.mark.parametrize(("name", "lost"), [("cut_faststart_mp4.mp4", 3.0), ("damaged_mp4.mp4", 2.0)])
def test_the_time_that_a_damaged_video_does_not_show_is_named(tables: Tables, name: str, lost: float) -> None:
    assert [row["time_s"] for row in of(tables, "failures", name)] == [lost]
    assert lost not in [row["time_s"] for row in of(tables, "transcripts", name)]


def test_the_right_password_among_others_opens_an_encrypted_pdf(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    bad_inputs.encrypted_pdf(tmp_path / "in" / "one.pdf")
    bad_inputs.encrypted_pdf(tmp_path / "in" / "two.pdf", password="not listed")
    tables = run(tmp_path, passwords=["wrong", "open sesame"])
    assert {row["asset"].rpartition("/")[2]: row["status"] for row in tables["assets"]} \
        == {"one.pdf": "ok", "two.pdf": "quarantined"}
    assert {row["page"] for row in of(tables, "transcripts", "one.pdf")} == {1, 2}


def test_odd_names_are_read_once_each_and_once_again_when_their_files_change(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / name for name in bad_inputs.odd_names()]
    for lines in (1, 2):
        for path in paths:
            bad_inputs.text_pdf(path, 1, lines)
        tables = run(tmp_path)
        assert sorted((row["asset"], row["status"]) for row in tables["assets"]) \
            == sorted((str(path), "ok") for path in paths)
        text = "\n".join(bad_inputs.line_text(1, line + 1) for line in range(lines))
        assert sorted((row["asset"], row["text"]) for row in tables["transcripts"]) \
            == sorted((str(path), text) for path in paths)


def test_odd_names_of_videos_are_no_protocols_and_no_patterns(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / name for name in ("concat:a|b.mp4", "frame%03d.mp4", "-loop 1.mp4", "http:x.mp4")]
    for path in paths:
        bad_inputs.one_frame_video(path)
    tables = run(tmp_path)
    assert sorted((row["asset"], row["status"]) for row in tables["assets"]) == sorted((str(p), "ok") for p in paths)


def test_a_broken_link_and_a_name_that_is_not_utf8_have_their_rows_too(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    bad_inputs.text_pdf(tmp_path / "in" / "good.pdf", 1, 1)
    (tmp_path / "in" / "link.pdf").symlink_to(tmp_path / "nowhere.pdf")
    bad_inputs.text_pdf(tmp_path / "in" / os.fsdecode(b"caf\xe9.pdf"), 1, 1)
    tables = run(tmp_path)
    statuses = {row["asset"].rpartition("/")[2]: row["status"] for row in tables["assets"]}
    assert len(tables["assets"]) == 3
    assert [statuses.pop(name) for name in ("good.pdf", "link.pdf")] == ["ok", "quarantined"]
    assert list(statuses.values()) == ["quarantined"]
    assert [row["category"] for row in tables["failures"]] == ["missing", "missing"]


def test_every_page_of_a_tiff_may_be_the_broken_one(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for page in (1, 2, 3):
        broken_page(tmp_path / "in" / f"{page}.tif", page)
    tables = run(tmp_path)
    assert sorted((row["asset"].rpartition("/")[2], row["page"]) for row in tables["failures"]) \
        == [("1.tif", 1), ("2.tif", 2), ("3.tif", 3)]
    assert [row["status"] for row in tables["assets"]] == ["partial"] * 3
    assert len(tables["transcripts"]) == 6


def test_a_tiff_that_was_cut_off_keeps_its_whole_pages(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "cut.tif"
    bad_inputs.three_pictures(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    tables = run(tmp_path)
    assert [(row["status"], row["units_failed"]) for row in tables["assets"]] == [("partial", 2)]
    assert [(row["page"], row["text"]) for row in tables["transcripts"]] == [(1, "number 1 of 3")]
