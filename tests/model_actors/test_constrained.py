"""Canvases held to an automaton: exact against all canvases one by one, and valid whatever a model's logits are."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tokenizers_made import MADE, PLAIN, byte_level, plain, sentencepiece, specials

from model_actors import canvas
from model_actors.constrained import LIKELY, Floats, Holder, Ints, NoCanvasError, token_bytes
from model_actors.grammar import Automaton, automaton
from schemas.checklist import JsonSchema, Question

END, PAD = 0, 1
TINY: list[tuple[dict[str, Any], list[bytes | None]]] = [
    ({"enum": [1, 12, 121, 2112]}, [None, None, b"1", b"2", b"12", b"21", None]),
    ({"type": "array", "items": {"enum": [1, 2]}}, [None, None, b"[", b"]", b"1", b", ", b"1, ", b"2, 1", b",", b" "]),
    ({"type": "string", "maxLength": 2}, [None, None, b'"', b"\xc3", b"\xa9", b"\xc3\xa9", b'a"', b'\\"', b""]),
]
"""Schemas and the bytes of small vocabularies for them; the first two ids are the end of the turn and the pad."""


def narrowed(holder: Holder, logits: npt.NDArray[np.float32]) -> tuple[Ints, npt.NDArray[np.float32]]:
    """The tokens that take part, as the engine chooses them, and their logits."""
    tokens = holder.tokens(np.argsort(logits, axis=1)[:, -LIKELY:])
    return tokens, logits[:, tokens]


def marginals_of(holder: Holder, logits: npt.NDArray[np.float32], state: int, room: int) -> tuple[Ints, Floats]:
    tokens, few = narrowed(holder, logits)
    return tokens, holder.marginals(tokens, few, state, room)


def likeliest_of(holder: Holder, logits: npt.NDArray[np.float32], state: int, room: int) -> tuple[list[int], int]:
    return holder.likeliest(*narrowed(holder, logits), state, room)


def after(machine: Automaton, written: list[bytes | None], ids: tuple[int, ...], state: int) -> int | None:
    """The state after a canvas, one past the last state where the turn has ended; None for a canvas that is invalid."""
    ended = len(machine.moves)
    for token in ids:
        if token == END and state < ended and machine.final[state]:
            state = ended
        elif token == PAD and state == ended:
            continue
        else:
            text = written[token] if 1 < token < len(written) else None
            state = machine.run(text, state) if text and state < ended else -1
            if state < 0:
                return None
    return state


def can_end(machine: Automaton, written: list[bytes | None], state: int, room: int) -> bool:
    """Whether a text can be finished by this many tokens of one byte."""
    if state == len(machine.moves) or machine.final[state]:
        return True
    following = {machine.run(text, state) for text in written if text is not None and len(text) == 1} - {-1}
    return room > 0 and any(can_end(machine, written, each, room - 1) for each in following)


@settings(max_examples=60)
@given(st.sampled_from(TINY), st.integers(1, 4), st.integers(0, 4), st.integers(0, 2**32 - 1), st.data())
def test_marginals_and_the_likeliest_canvas_are_those_of_all_canvases_counted_one_by_one(
        tiny: tuple[dict[str, Any], list[bytes | None]], positions: int, room: int, seed: int,
        data: st.DataObject) -> None:
    schema, known = tiny
    written = [*known, None]  # models have ids that their tokenizers lack
    machine = automaton(schema)
    holder = Holder(machine, written, END, PAD)
    state = data.draw(st.integers(0, len(machine.moves) - 1))
    count = len(written)
    logits = np.random.default_rng(seed).normal(0, 3, (positions, count)).astype(np.float32)
    scored: dict[tuple[int, ...], tuple[float, int]] = {}
    for ids in itertools.product(range(count), repeat=positions):
        last = after(machine, written, ids, state)
        if last is not None and can_end(machine, written, last, room):
            scored[ids] = (float(sum(np.float64(logits[place, token]) for place, token in enumerate(ids))), last)
    if not scored:
        for find in (marginals_of, likeliest_of):
            with pytest.raises(NoCanvasError):
                find(holder, logits, state, room)
        return
    expected = np.zeros((positions, count))
    for ids, (score, _) in scored.items():
        expected[range(positions), ids] += np.exp(score)
    expected /= expected[0].sum()
    tokens, chances = marginals_of(holder, logits, state, room)
    found = np.zeros((positions, count))
    found[:, tokens] = np.exp(chances)
    assert np.abs(found - expected).max() < 1e-9
    best = max(scored, key=lambda ids: scored[ids][0])
    assert likeliest_of(holder, logits, state, room) == (list(best), scored[best][1])


EXTRACTION = {"type": "object", "required": ["größe", "kind"], "properties": {
    "größe": {"type": "object", "required": ["w"], "properties": {"w": {"type": "number"}, "h": {"type": "integer"}}},
    "note \"x\"": {"type": "string", "maxLength": 5}, "kind": {"enum": ["日本語", "a\\b", "{\"}", "🦊", 1]},
    "lines": {"type": "array", "minItems": 1, "maxItems": 3, "items": {
        "type": "object", "required": ["text"], "properties": {"text": {"type": ["string", "null"]}}}}}}
ANSWERS = ["number", "money", "date", "text", "list", {"type": "list", "of": "money"}, "event", {"schema": "é.json"}]


def a_form(chance: random.Random) -> list[Question]:
    questions = [Question(id=f"q{number}", ask="?", answer=chance.choice(ANSWERS))
                 for number in range(chance.randint(1, 3))]
    return [question.model_copy(update={"answer": question.answer.model_copy(update={"definition": EXTRACTION})})
            if isinstance(question.answer, JsonSchema) else question for question in questions]


WIDTH, CANVASES = 24, 4


@pytest.mark.parametrize(("make", "forms"), [(byte_level, 70), (sentencepiece, 70), (plain, 60)])
def test_any_logits_write_a_form_that_is_valid_within_its_canvases(make: Callable[[], Any], forms: int) -> None:
    tokenizer = make()
    special, written = specials(tokenizer), token_bytes(tokenizer)
    longer = np.array([text is not None and len(text) > 1 for text in written])
    canvases_taken = set()
    for seed in range(forms):
        chance, noise = random.Random(seed), np.random.default_rng(seed)
        questions = a_form(chance)
        schema = canvas.form_schema(questions)
        holder = Holder(automaton(schema), written, special.end_of_turn, special.pad)
        data, state = b"", 0
        for number in range(CANVASES):
            logits = noise.normal(0, 3, (WIDTH, len(written))).astype(np.float32)
            logits += np.float32(chance.choice([0, 4])) * longer
            ids, state = likeliest_of(holder, logits, state, (CANVASES - number - 1) * WIDTH)
            assert len(ids) == WIDTH
            data += b"".join(written[token] or b"" for token in ids)
            canvases_taken.add(number)
            if special.end_of_turn in ids:
                assert set(ids[ids.index(special.end_of_turn) + 1 :]) <= {special.pad}
                break
        value = json.loads(data.decode())
        Draft202012Validator(schema).validate(value)
        assert list(value) == [question.id for question in questions]
        assert len(canvas.form_answers(questions, data, [])) == len(questions)
    assert canvases_taken == set(range(CANVASES))


def test_marginals_over_a_real_vocabulary_sum_to_one_and_hold_the_likeliest_canvas() -> None:
    tokenizer = sentencepiece()
    special, written = specials(tokenizer), token_bytes(tokenizer)
    holder = Holder(automaton(canvas.form_schema(a_form(random.Random(3)))), written, special.end_of_turn, special.pad)
    logits = np.random.default_rng(3).normal(0, 3, (WIDTH, len(written))).astype(np.float32)
    tokens, chances = marginals_of(holder, logits, 0, 100)
    assert np.abs(np.exp(chances).sum(axis=1) - 1).max() < 1e-9
    columns = np.searchsorted(tokens, likeliest_of(holder, logits, 0, 100)[0])
    assert np.isfinite(chances[range(WIDTH), columns]).all()


@pytest.mark.parametrize("make", MADE)
@given(st.data())
def test_the_bytes_of_the_tokens_of_a_text_are_the_text(make: Callable[[], Any], data: st.DataObject) -> None:
    tokenizer = make()
    anything = st.characters(exclude_characters="▁", exclude_categories=["Cs"])
    letters = st.sampled_from(PLAIN) if make is plain else anything
    pieces = st.lists(st.text(letters) | st.sampled_from(["åé", "<0x41>", '{"', '", "', "日本", " the answer"]))
    text = "".join(data.draw(pieces))
    written = token_bytes(tokenizer)
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert b"".join(written[token] or b"" for token in ids) == text.encode()


@pytest.mark.parametrize("make", MADE)
def test_control_tokens_write_nothing_and_all_others_do(make: Callable[[], Any]) -> None:
    tokenizer = make()
    written = token_bytes(tokenizer)
    assert [number for number, text in enumerate(written) if not text] == list(range(12))
    assert all(tokenizer.convert_ids_to_tokens(number)[0] == "<" for number in range(12))


@pytest.mark.parametrize("extra", [0, 1, 7])
def test_a_text_needs_room_for_every_byte_of_it(extra: int) -> None:
    """Thirteen bytes of one token each."""
    holder = Holder(automaton({"const": "hello world"}), [bytes([byte]) for byte in range(256)], 256, 257)
    logits = np.zeros((4, 258), np.float32)
    assert bytes(likeliest_of(holder, logits, 0, 9 + extra)[0][:4]) == b'"hel'
    for find in (marginals_of, likeliest_of):
        with pytest.raises(NoCanvasError):
            find(holder, logits, 0, 8 - extra)


def test_room_is_counted_in_tokens_where_a_vocabulary_has_no_bytes() -> None:
    written: list[bytes | None] = [b'"', "é".encode(), "語".encode(), b"a"]
    holder = Holder(automaton({"enum": ["é語é語", "aaaaa", "Ω"]}), written, 4, 5)
    logits = np.zeros((1, 6), np.float32)
    assert likeliest_of(holder, logits, 0, 5)[0] == [0]  # Ω is the shortest in bytes, but has no token
    with pytest.raises(NoCanvasError):
        likeliest_of(holder, logits, 0, 4)


def test_a_character_counts_however_unlikely_and_leaves_no_canvas_where_no_token_writes_it() -> None:
    tokenizer = plain()
    special, written = specials(tokenizer), token_bytes(tokenizer)
    logits = np.zeros((8, len(written)), np.float32)
    logits[:, tokenizer.convert_tokens_to_ids(["日", "語", "🦊"])] = -50
    known, unknown = (Holder(automaton({"const": text}), written, special.end_of_turn, special.pad)
                      for text in ("日語🦊", "Ω"))
    ids, _ = likeliest_of(known, logits, 0, 0)
    assert b"".join(written[token] or b"" for token in ids).decode() == '"日語🦊"'
    with pytest.raises(NoCanvasError):
        likeliest_of(unknown, logits, 0, 100)
