"""What a job reads: kinds told by content, globs over whole addresses, and inputs that are not there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import bad_inputs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from s3_server import S3Server

from pipeline.sources import HEAD_BYTES, Kind, describe, glob_pattern, list_inputs, sniff
from schemas.job import JobError

PDF = Kind("pdf", "application/pdf")
UNKNOWN = Kind("unknown", None)
TS = b"".join(b"G" + bytes(187) for _ in range(4))
M2TS = b"".join(bytes(4) + b"G" + bytes(187) for _ in range(4))


@pytest.mark.parametrize(("head", "kind"), [
    (b"%PDF-1.7\n", PDF), (b"junk before it\n%PDF-1.4", PDF), (bytes(1000) + b"%PDF-1.4", PDF),
    (b"\x89PNG\r\n\x1a\n", Kind("image", "image/png")), (b"\xff\xd8\xff\xe0", Kind("image", "image/jpeg")),
    (b"II*\0", Kind("image", "image/tiff")), (b"MM\0*", Kind("image", "image/tiff")),
    (b"II+\0", Kind("image", "image/tiff")), (b"MM\0+", Kind("image", "image/tiff")),
    (b"RIFF\x01\x02\x03\x04WEBPVP8 ", Kind("image", "image/webp")),
    (b"RIFF\x01\x02\x03\x04AVI LIST", Kind("video", "video/x-msvideo")), (b"RIFF\x01\x02\x03\x04WAVE", UNKNOWN),
    (b"\0\0\0\x20ftypisom", Kind("video", "video/mp4")), (b"\0\0\0\x14ftypqt  ", Kind("video", "video/quicktime")),
    (b"\0\0\0\x08wide", Kind("video", "video/quicktime")), (b"\0\0\x20\0moov\0\0\0\x6c", Kind("video", "video/mp4")),
    (b"\0\0\0\x20ftypheic", UNKNOWN), (b"\0\0\0\x20ftypavif", UNKNOWN),
    (b"\x1a\x45\xdf\xa3" + b"\x42\x82\x84webm", Kind("video", "video/webm")),
    (b"\x1a\x45\xdf\xa3" + b"\x42\x82\x88matroska", Kind("video", "video/x-matroska")),
    (TS, Kind("video", "video/mp2t")), (M2TS, Kind("video", "video/mp2t")), (TS[:376], UNKNOWN),
    (b"", UNKNOWN), (b"plain text", UNKNOWN), (b"PK\x03\x04", UNKNOWN), (b"<html>", UNKNOWN),
    (b"\x89PNG\r\n\x1a\n" + b"Title: how %PDF-1.4 works", Kind("image", "image/png")),
])
def test_kind_is_told_by_the_first_bytes(head: bytes, kind: Kind) -> None:
    assert sniff(head) == kind


def test_a_mark_after_the_first_bytes_is_not_seen() -> None:
    assert sniff(bytes(HEAD_BYTES) + b"%PDF-1.4") == UNKNOWN


@pytest.mark.parametrize(("suffix", "write", "kind"), [
    (".pdf", lambda path: bad_inputs.text_pdf(path, 1), PDF), (".pdf", bad_inputs.encrypted_pdf, PDF),
    (".png", bad_inputs.tiny_png, Kind("image", "image/png")),
    (".png", bad_inputs.truncated_png, Kind("image", "image/png")),
    (".jpg", bad_inputs.sideways_jpeg, Kind("image", "image/jpeg")),
    (".tif", bad_inputs.three_pictures, Kind("image", "image/tiff")),
    (".webp", bad_inputs.three_pictures, Kind("image", "image/webp")),
    (".pdf", bad_inputs.wrong_content, UNKNOWN), (".png", bad_inputs.wrong_content, UNKNOWN),
    (".pdf", bad_inputs.empty_file, UNKNOWN),
])
def test_kind_of_a_real_file_does_not_depend_on_its_name(tmp_path: Path, suffix: str, write: Callable[[Path], None],
                                                         kind: Kind) -> None:
    path = tmp_path / f"file{suffix}"
    write(path)
    for name in ("renamed.pdf", "renamed.mp4", "renamed"):
        path = path.rename(tmp_path / name)
        assert sniff(path.read_bytes()[:HEAD_BYTES]) == kind


@pytest.mark.parametrize(("suffix", "media"), [(".mp4", "video/mp4"), (".mkv", "video/x-matroska"),
                                               (".webm", "video/webm"), (".avi", "video/x-msvideo"),
                                               (".ts", "video/mp2t")])
def test_kind_of_real_videos(tmp_path: Path, suffix: str, media: str) -> None:
    path = tmp_path / f"clip{suffix}"
    bad_inputs.video(path, 0.2, size=(64, 48), codec="libvpx" if suffix == ".webm" else "libx264")
    assert sniff(path.read_bytes()[:HEAD_BYTES]) == Kind("video", media)


@given(st.binary(max_size=HEAD_BYTES))
def test_any_bytes_have_a_kind_and_a_description(head: bytes) -> None:
    assert sniff(head).name in ("pdf", "image", "video", "unknown")
    assert describe(head).startswith("it")


@pytest.mark.parametrize(("head", "text"), [
    (b"  <!DOCTYPE HTML><html>", "it looks like HTML"), (b"PK\x03\x04", "it looks like a ZIP or an office document"),
    (b"Hello\n", "it looks like plain text"), (b"\0\0\0\x20ftypheic", "it looks like a HEIF or AVIF photo: save it as "
                                                                    "JPEG or PNG"),
    (b"\0\1", "its first bytes are of no kind that Canvass reads"),
])
def test_unknown_content_is_described(head: bytes, text: str) -> None:
    assert describe(head) == text


@pytest.mark.parametrize(("pattern", "matched", "others"), [
    ("/in/*.pdf", ["/in/a.pdf", "/in/.pdf", "/in/new\nline.pdf"], ["/in/a/b.pdf", "/in/a.pdfx", "/x/in/a.pdf"]),
    ("/in/**/*.pdf", ["/in/a.pdf", "/in/x/a.pdf", "/in/x/y/a.pdf"], ["/inn/a.pdf", "/in/a.txt", "/a.pdf"]),
    ("/in/**", ["/in/", "/in/a", "/in/x/y"], ["/in", "/inn/a"]),
    ("/**/a", ["/a", "/x/a", "/x/y/a"], ["/xa", "/x/ya", "a"]),
    ("/in**/a", ["/in/a", "/inside/a", "/in/x/a"], ["/ina"]),
    ("/a?.pdf", ["/ab.pdf", "/a报.pdf", "/a\n.pdf"], ["/a.pdf", "/abc.pdf", "/a/.pdf"]),
    ("/[ab]", ["/a", "/b"], ["/c", "/ab", "/[ab]"]), ("/[a-c0-9]", ["/b", "/5"], ["/d", "/-"]),
    ("/[!a-c]", ["/d", "/!", "/^"], ["/a", "/b", "//"]), ("/[^a]", ["/^", "/a"], ["/b"]),
    ("/[]a]", ["/]", "/a"], ["/b", "/[]a]"]), ("/[!]]", ["/a", "/["], ["/]", "//"]), ("/[[]x", ["/[x"], ["/x"]),
    ("/[a-]", ["/a", "/-"], ["/b"]), ("/[-a]", ["/a", "/-"], ["/b"]), ("/[\\]", ["/\\"], ["/a"]),
    ("/[\\d]", ["/\\", "/d"], ["/5"]), ("/[+-9]x", ["/.x", "/5x"], ["//x"]), ("/[z-a]", [], ["/z", "/a", "/m", "/-"]),
    ("/[!z-a]", ["/z"], ["//"]), ("/[&&~~||--a]", ["/&", "/~"], ["/b"]), ("/a[b", ["/a[b"], ["/ab"]),
    ("/[a/b]", ["/[a/b]"], ["/a", "/b"]), ("/[]", ["/[]"], ["/"]), ("/[!]", ["/[!]"], ["/a"]),
    ("/a.b+c(d)|e$", ["/a.b+c(d)|e$"], ["/aXb+c(d)|e$", "/a.bbc(d)"]), ("s3://b/*/x", ["s3://b/y/x"], ["s3://b/x"]),
])
def test_globs(pattern: str, matched: list[str], others: list[str]) -> None:
    compiled = glob_pattern(pattern)
    assert [name for name in matched if not compiled.fullmatch(name)] == []
    assert [name for name in others if compiled.fullmatch(name)] == []


@pytest.mark.filterwarnings("error")
@given(st.text("ab/*?[]!^-\\&|~.\n", max_size=12), st.text("ab/!^-]\\.\n", max_size=8))
def test_any_text_is_a_glob_and_without_stars_never_matches_more_slashes_than_it_has(pattern: str, name: str) -> None:
    compiled = glob_pattern(pattern)
    if "**" not in pattern and compiled.fullmatch(name):
        assert name.count("/") == pattern.count("/")


@given(st.text(st.characters(codec="utf-8", exclude_characters="*?["), max_size=20))
def test_a_text_without_wild_characters_matches_itself_alone(text: str) -> None:
    compiled = glob_pattern(text)
    assert compiled.fullmatch(text)
    assert not compiled.fullmatch(text + "x")
    assert not compiled.fullmatch("x" + text)


@given(st.text("ab*?[]!-\n", max_size=10))
def test_a_text_written_with_bracketed_wild_characters_matches_itself_alone(text: str) -> None:
    compiled = glob_pattern(re.sub(r"[*?\[]", r"[\g<0>]", text))
    assert compiled.fullmatch(text)
    assert not compiled.fullmatch(text.replace("*", "b").replace("?", "b").replace("[", "b") + "b")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    for name in ("a.pdf", "b.txt", "sub/c.pdf", "sub/deep/d.pdf", "docs/e.pdf", "documents/f.pdf"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def listed(folder: Path, inputs: list[str], exclude: tuple[str, ...] = ()) -> list[str]:
    found = list_inputs([f"{folder}/{name}" for name in inputs], [f"{folder}/{name}" for name in exclude])
    return sorted({item.uri.removeprefix(f"{folder}/") for item in found})


@pytest.mark.parametrize(("inputs", "names"), [
    (["a.pdf"], ["a.pdf"]), (["sub"], ["sub/c.pdf", "sub/deep/d.pdf"]), (["sub/"], ["sub/c.pdf", "sub/deep/d.pdf"]),
    (["*.pdf"], ["a.pdf"]), (["**/*.pdf"], ["a.pdf", "docs/e.pdf", "documents/f.pdf", "sub/c.pdf", "sub/deep/d.pdf"]),
    (["*/[cd].pdf"], ["sub/c.pdf"]), (["sub/**"], ["sub/c.pdf", "sub/deep/d.pdf"]), (["?.*"], ["a.pdf", "b.txt"]),
    (["b.txt", "*.txt", "b.txt", ""], ["a.pdf", "b.txt", "docs/e.pdf", "documents/f.pdf", "sub/c.pdf",
                                       "sub/deep/d.pdf"]),
])
def test_inputs_are_files_folders_and_globs(corpus: Path, inputs: list[str], names: list[str]) -> None:
    assert listed(corpus, inputs) == names


def test_listed_objects_have_their_size_and_version(corpus: Path) -> None:
    status = (corpus / "sub" / "c.pdf").stat()
    item, = list_inputs([f"{corpus}/sub/c.pdf"])
    assert (item.size, item.version) == (9, f"{status.st_mtime_ns}:9")


def test_exclusions_leave_out_whole_folders_too(corpus: Path) -> None:
    assert listed(corpus, ["**"], exclude=("sub/**", "*.txt")) == ["a.pdf", "docs/e.pdf", "documents/f.pdf"]
    with pytest.raises(JobError, match="all 1 objects that the inputs name are excluded"):
        listed(corpus, ["a.pdf"], exclude=("**",))


@pytest.mark.parametrize("name", ["none.pdf", "none/", "doc", "a", "*.docx", "none/**", "[xyz].pdf", "a.pdf/",
                                  "a.pdf/b"])
def test_an_input_that_is_not_there_is_refused_and_named(corpus: Path, name: str) -> None:
    """Also beside another input whose names begin alike: `doc` is not covered by `documents`."""
    with pytest.raises(JobError) as error:
        listed(corpus, ["documents", "**", name])
    assert str(error.value) == f"input {corpus}/{name}: nothing is there; check the path, the bucket and the pattern"


@pytest.mark.parametrize("name", bad_inputs.odd_names())
def test_odd_names_are_inputs_by_themselves(tmp_path: Path, name: str) -> None:
    for other in (name, "copy 1.pdf", "star x.pdf", "questionX.pdf"):
        (tmp_path / other).write_bytes(b"x")
    assert listed(tmp_path, [name]) == [name]


def test_odd_names_are_found_in_their_folder(tmp_path: Path) -> None:
    for name in bad_inputs.odd_names():
        (tmp_path / name).write_bytes(b"x")
    assert listed(tmp_path, ["*.pdf"]) == sorted(bad_inputs.odd_names())
    assert listed(tmp_path, [""]) == sorted(bad_inputs.odd_names())


def test_a_name_that_is_not_utf8_is_listed_as_missing(tmp_path: Path) -> None:
    for name in bad_inputs.odd_names(undecodable=True):
        (tmp_path / name).write_bytes(b"x")
    found = sorted(list_inputs([str(tmp_path)]), key=lambda item: item.uri)
    assert len(found) == len(bad_inputs.odd_names(undecodable=True))
    assert [item.version for item in found].count("missing") == 1


def test_inputs_in_a_bucket(s3: S3Server) -> None:
    bucket = f"s3://{s3.fresh_bucket()}"
    for key in ("2026/a.pdf", "2026/x/b.pdf", "2026/copy [1].pdf", "2025/c.pdf", "2026/x/"):
        s3.client.put_object(Bucket=bucket[5:], Key=key, Body=b"x")

    def found(*inputs: str) -> list[str]:
        return [item.uri.removeprefix(bucket + "/") for item in sorted(list_inputs(inputs), key=lambda item: item.uri)]

    everything = ["2025/c.pdf", "2026/a.pdf", "2026/copy [1].pdf", "2026/x/b.pdf"]
    assert found(bucket) == found(bucket + "/") == found(bucket + "/**") == everything
    assert found(f"{bucket}/2026/**/*.pdf") == found(f"{bucket}/2026") == everything[1:]
    assert found(f"{bucket}/2026/copy [1].pdf") == ["2026/copy [1].pdf"]
    assert found(f"{bucket}/*/[ac].pdf") == ["2025/c.pdf", "2026/a.pdf"]
    with pytest.raises(JobError, match="nothing is there"):
        found(f"{bucket}/202")


@pytest.mark.parametrize("place", ["s3://no-such-bucket", "s3://no-such-bucket/x.pdf", "s3://no-such-bucket/**/*.pdf",
                                   "s3://buck[1]/x", "s3://bucket*/x", "s3:///x"])
def test_a_bucket_that_is_not_there_is_refused_and_named(s3: S3Server, place: str) -> None:
    with pytest.raises(JobError, match=re.escape(f"input {place}: ")):
        list(list_inputs([place]))


@pytest.mark.parametrize("place", ["ftp://host/x.pdf", "https://host/*.pdf"])
def test_a_storage_that_nobody_serves_is_refused(place: str) -> None:
    with pytest.raises(JobError, match="unknown kind of storage"):
        list(list_inputs([place]))
