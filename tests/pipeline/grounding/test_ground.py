"""Transcripts held against the words of their pages: what is found, what is not, and what is no difference."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from printed_pages import page

from model_actors.engine import Words
from pipeline import pages as pdf
from pipeline.grounding.ground import MOST_FINDINGS, Finding, Page, ground_transcript, needs_review

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))  # the benchmarks lie beside the package

from infra.bench import planted  # noqa: E402
from infra.bench.real_text import typeset  # noqa: E402

LINES = ("Delivery note for Harbour Works", "Order number 48,213 of 3 May 2026", "Twelve crates of brass fittings",
         "Total weight 1,250 kg including pallets", "Received in good order by the porter")
TEXT = "\n".join(LINES)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> list[Page]:
    """Real pages with a text layer: the demo's contract, the exam's papers, the licence in two columns."""
    licence = tmp_path_factory.mktemp("licence") / "licence.pdf"
    typeset((ROOT / "LICENSE").read_text("utf-8"), licence, columns=2, pages=2)
    files = [(ROOT / "infra/demo/corpus/supply-agreement.pdf", 3), (licence, 2),
             *((ROOT / f"tests/data/exam/{name}.pdf", 1) for name in (
                 "employment_contract", "expense_claim", "joinery_quotation", "wasserabrechnung"))]
    found = []
    for path, count in files:
        for number in range(1, count + 1):
            (text, _), _ = pdf.render(str(path), (), number, 70, True)
            assert text is not None
            found.append(Page(number, None, text.words, "text_layer"))
    return found


@pytest.mark.parametrize(("plant", "caught"), [
    (lambda words, rng: planted.digit(words, rng, 1), 60), (planted.sentence, 60), (planted.name, 60),
    (planted.dropped_line, 60), (planted.loop, 60), (planted.columns, 60)],
    ids=["digit", "sentence", "name", "dropped line", "loop", "columns"])
def test_errors_planted_in_real_pages_are_found(
        real: list[Page], plant: Callable[[Words, random.Random], planted.Planted | None], caught: int) -> None:
    rng, found, tried = random.Random(7), [], 0
    while len(found) < 60:
        shown = real[tried % len(real)]
        error = plant(shown.words, rng)
        tried += 1
        if error is not None:
            found.append(error.is_caught(ground_transcript(error.text, shown)))
    assert sum(found) == caught


def test_real_pages_ground_exactly_in_themselves(real: list[Page]) -> None:
    assert [(found.status, found.grounded, found.recalled, found.findings) for found in (
        ground_transcript(planted.clean(shown.words).text, shown) for shown in real)] == [("exact", 1.0, 1.0, ())] * 9


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1, max_size=8)
                | st.sampled_from(["$x_1$", "$5", "<td>", "-5", "1,234.50", "](a)", "&amp;", "ﬁne", "中文", "|", "```",
                                   "![a](b)", "\\(", "x\\)", "<!--", "-->", "Договор", "1O0"]), max_size=40))
def test_a_page_grounds_exactly_in_itself_whatever_its_words(texts: list[str]) -> None:
    count = len(texts)
    shown = Page(1, None, Words(texts, np.zeros((count, 4), np.float32), np.ones(count, np.float32),
                                np.arange(count, dtype=np.int32) // 5), "text_layer")
    found = ground_transcript(" ".join(texts), shown)
    assert found.findings == ()
    assert found.status == "exact"


SAID = st.lists(st.text("ab1209.,-'$|<>()[]!€é中Я ", min_size=1, max_size=9), max_size=25)


@given(SAID, SAID, st.sampled_from(["text_layer", "ocr"]))
def test_whatever_is_said_of_whatever_page_has_shares_and_boxes_within_bounds(
        said: list[str], printed: list[str], source: Literal["text_layer", "ocr"]) -> None:
    found = ground_transcript("\n".join(said), page(*printed, source=source))
    assert all(share is None or 0.0 <= share <= 1.0 for share in (found.grounded, found.recalled))
    for finding in found.findings:
        assert bool(finding.text) == (finding.kind != "omission")
        assert finding.box is None or (0.0 <= finding.box[0] <= finding.box[2] and finding.box[1] <= finding.box[3])


def test_a_changed_number_is_a_contradiction_with_what_is_printed_and_where() -> None:
    found = ground_transcript(TEXT.replace("48,213", "48,218"), page(*LINES))
    assert found.status == "contradicted"
    [finding] = found.findings
    assert (finding.kind, finding.text, finding.expected) == ("contradiction", "48,218", "48,213")
    assert finding.box == pytest.approx((0.13, 0.04, 0.19, 0.06))


def test_a_number_printed_otherwise_is_the_same() -> None:
    assert ground_transcript(TEXT.replace("1,250 kg", "1.250 kg"), page(*LINES)).findings == ()
    assert ground_transcript("Paid 1234.50 today", page("Paid 1.234,50 today")).findings == ()


def test_a_lost_sign_and_a_moved_decimal_point_are_contradictions() -> None:
    shown = page("Balance brought forward -250.40 at the end")
    assert [finding.kind for finding in ground_transcript("Balance brought forward 250.40 at the end", shown).findings
            ] == ["contradiction"]
    assert [finding.kind for finding in ground_transcript("Balance brought forward -25.040 at the end", shown).findings
            ] == ["contradiction"]


def test_a_number_in_the_place_of_one_that_stands_elsewhere_is_no_contradiction() -> None:
    found = ground_transcript("Rows 400 and 700 and 400", page("Rows 400 and 700 and 500"))
    assert [(finding.kind, finding.text, finding.expected) for finding in found.findings] == [
        ("unsupported", "400", "500")]


def test_an_added_sentence_is_unsupported() -> None:
    added = "The goods were insured against fire and theft."
    found = ground_transcript(f"{LINES[0]}\n{added}\n" + "\n".join(LINES[1:]), page(*LINES))
    assert found.findings == (Finding("unsupported", added),)
    assert (found.status, found.recalled) == ("absent", 1.0)  # a fifth of what is said is not there
    assert found.grounded == pytest.approx(30 / 38)


def test_a_line_that_is_left_out_is_an_omission_with_its_box() -> None:
    found = ground_transcript("\n".join(LINES[:2] + LINES[3:]), page(*LINES))
    [finding] = found.findings
    assert (found.status, finding.kind, finding.text, finding.expected) == ("close", "omission", "", LINES[2])
    assert finding.box == pytest.approx((0, 0.08, 0.31, 0.1))


def test_a_line_of_one_word_that_is_left_out_is_an_omission() -> None:
    [finding] = ground_transcript(TEXT, page("COPY", *LINES)).findings
    assert (finding.kind, finding.expected) == ("omission", "COPY")


def test_a_phrase_said_over_and_over_is_one_loop() -> None:
    found = ground_transcript(TEXT + " by the porter" * 6, page(*LINES))
    assert [finding.kind for finding in found.findings] == ["loop"]
    assert found.findings[0].box == pytest.approx((0.23, 0.16, 0.36, 0.18))


def test_what_the_page_repeats_itself_is_no_loop() -> None:
    assert ground_transcript("0.00 " * 30, page("0.00 " * 30)).status == "exact"


def test_lines_in_another_order_are_told_as_such() -> None:
    found = ground_transcript("\n".join((LINES[3], LINES[4], LINES[0], LINES[1], LINES[2])), page(*LINES))
    assert (found.status, found.grounded, found.recalled) == ("close", 1.0, 1.0)
    assert [(finding.kind, finding.expected) for finding in found.findings] == [("reading_order", None)]


def test_text_on_a_page_without_words_is_invented() -> None:
    found = ground_transcript("This page is intentionally left blank.", page())
    assert (found.status, found.grounded, found.recalled) == ("absent", 0.0, None)
    assert found.findings == (Finding("invented", "This page is intentionally left blank."),)
    assert needs_review(found, "text_layer")
    assert ground_transcript("", page()).status == "exact"
    assert ground_transcript("![a photograph of a lake](lake.jpg)", page()).status == "exact"


def test_nothing_said_of_a_page_with_words_is_absent() -> None:
    found = ground_transcript("", page(*LINES))
    assert (found.status, found.grounded, found.recalled) == ("absent", None, 0.0)


@pytest.mark.parametrize("text", [
    "# Delivery note for **Harbour Works**\n\n- Order number _48,213_ of 3 May 2026",
    "| Delivery note | for |\n|---|:-:|\n| Harbour | Works |\n\nOrder number 48,213 of 3 May 2026",
    "<table><tr><td>Delivery note for</td><td>Harbour Works</td></tr></table>Order number 48,213 of 3 May 2026",
    "```text\nDelivery note for Harbour Works\n```\nOrder number 48,213 of [3 May 2026](https://x.org/9999)",
    "Delivery note for Harbour Works <!-- page 17 --> Order number 48,213 of 3 May 2026",
    "![The logo of 1873: a ship](logo.png)\nDelivery note for Harbour Works Order number 48,213 of 3 May 2026",
    "<figure>A bar chart of 2019</figure>Delivery note for Harbour Works Order number 48,213 of 3 May 2026",
    "Delivery note for Harbour Works $\\sum_{i=1}^{99} x_i$ Order number 48,213 of 3 May 2026",
    "Delivery note for Harbour Works \\(E = mc^2\\) Order number 48,213 of 3 May 2026",
])
def test_markup_figures_and_formulas_need_not_be_on_the_page(text: str) -> None:
    found = ground_transcript(text, page(*LINES[:2]))
    assert (found.status, found.grounded, found.recalled, found.findings) == ("exact", 1.0, 1.0, ())


def test_a_formula_excuses_what_stands_in_its_place() -> None:
    shown = page("The energy is", "E = m c 2 / 1 - v 2", "where m is the mass")
    assert ground_transcript("The energy is $$\\frac{E}{\\sqrt{1-v^2}}$$ where m is the mass", shown).findings == ()


def test_amounts_of_dollars_are_no_formula() -> None:
    found = ground_transcript("between $500 and $800 a day", page("between $500 and $900 a day"))
    assert [(finding.text, finding.expected) for finding in found.findings] == [("$800", "$900")]


@pytest.mark.parametrize(("text", "printed"), [
    ("the final office", "the ﬁnal oﬃce"), ('"quoted" - it\'s', "“quoted” – it’s"), ("agreement", "agree-\nment"),
    ("Straße ÉTÉ", "STRASSE été"), ("1234", "１２３４"), ("co\u00adoperate", "cooperate"), ("a b", "a\u200b b"),
    ("AT&amp;T", "AT&T"), ("in so far", "insofar"), ("insofar", "in so far"), ("€50", "€ 50"), ("20 mm", "20mm"),
])
def test_what_only_looks_different_is_the_same(text: str, printed: str) -> None:
    found = ground_transcript(text, page(*printed.split("\n")))
    assert (found.grounded, found.recalled, found.findings) == (1.0, 1.0, ())


def test_scripts_without_spaces_are_compared_by_character() -> None:
    shown = page("合同总金额为五万元", "付款期限为三十日")
    assert ground_transcript("合同总金额为五万元 付款期限为三十日", shown).status == "exact"
    found = ground_transcript("合同总金额为五万元 付款期限为六十日", shown)
    assert [(finding.kind, finding.text, finding.expected) for finding in found.findings] == [
        ("unsupported", "付款期限为六十日", "付款期限为三十日")]
    assert (found.status, found.grounded) == ("close", pytest.approx(16 / 17))


@pytest.mark.parametrize("text", ["Договор поставки номер 48", "عقد التوريد بين الطرفين", "納品のお知らせです",
                                  "계약 금액"])
def test_scripts_that_ocr_does_not_know_cannot_be_checked_by_it(text: str) -> None:
    assert ground_transcript(text, page("Aorosop nocTaBku 48", source="ocr")).status == "not_checkable"
    assert ground_transcript(text, page("Aorosop nocTaBku 48")).status != "not_checkable"


def test_a_foreign_word_within_text_that_ocr_knows_is_passed_over() -> None:
    text, read = "The firm Ромашка supplies all of the goods", "The firm PoMaшka supplies all of the goods"
    assert ground_transcript(text, page(read, source="ocr")).findings == ()


def test_with_ocr_numbers_of_one_or_two_digits_are_never_told() -> None:
    assert ground_transcript(TEXT.replace("3 May", "8 May"), page(*LINES, source="ocr")).findings == ()
    assert [finding.kind for finding in ground_transcript(TEXT.replace("3 May", "8 May"), page(*LINES)).findings] == [
        "contradiction"]


def test_what_ocr_misreads_is_no_difference() -> None:
    read = [line.replace("1,250", "l.25O").replace("porter", "portcr").replace("good order", "goodorder")
            for line in LINES]
    assert ground_transcript(TEXT, page(*read, source="ocr")).findings == ()


def test_a_name_in_the_place_of_another_is_told_with_both_sources() -> None:
    for shown in (page(*LINES), page(*LINES, source="ocr")):
        [finding] = ground_transcript(TEXT.replace("Harbour", "Quimby"), shown).findings
        assert (finding.kind, finding.text, finding.expected) == ("unsupported", "Quimby", "Harbour")


def test_a_person_should_look_below_the_line_of_the_source() -> None:
    words = [f"word{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(100)]
    found = ground_transcript(" ".join(words[:95]), page(" ".join(words)))
    assert (found.grounded, found.recalled) == (1.0, 0.95)
    assert needs_review(found, "text_layer")
    assert not needs_review(found, "ocr")


def test_findings_are_the_gravest_first_and_capped() -> None:
    numbers = [f"{1000 + 7 * number} pieces" for number in range(120)]
    wrong = [text.replace(" ", "9 ", 1) for text in numbers]
    found = ground_transcript("Lorem ipsum dolor\n" + "\n".join(wrong), page(*numbers))
    assert len(found.findings) == MOST_FINDINGS
    assert {finding.kind for finding in found.findings} == {"contradiction"}
