"""Holds a canvas to an automaton: what each position may still be, and the most probable canvas that is valid.

The positions of a canvas are independent of each other given the model's logits; an automaton makes them depend. The
exact marginals of that product are the forward-backward algorithm's, over edges (state, token, state), and the most
probable canvas is Viterbi's. So a value's length need not be known before it is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model_actors.engine import RequestError
from model_actors.grammar import Automaton, SchemaError, automaton

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LIKELY = 16
"""Likeliest tokens of each position that take part, besides all those of a single byte."""

FAR = np.iinfo(np.int64).max

MOST_HOLDERS = 32
"""Automata of forms kept: a job has few forms, and each may take megabytes."""


class NoCanvasError(Exception):
    """No canvas of this length can be valid."""


def token_bytes(tokenizer: Any) -> list[bytes | None]:
    """The bytes that each id writes, None for control tokens: for byte-level, SentencePiece and plain vocabularies."""
    pieces: list[str] = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    control = set(tokenizer.all_special_ids) | {
        number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    settings = json.loads(tokenizer.backend_tokenizer.to_str())
    byte_level = '"ByteLevel"' in json.dumps([settings["decoder"], settings["pre_tokenizer"]])
    spaced = "\u2581" in json.dumps([settings["decoder"], settings["normalizer"], settings["pre_tokenizer"]],
                                    ensure_ascii=False)
    letters = _byte_letters() if byte_level else {}

    fallback = '"ByteFallback"' in json.dumps(settings["decoder"])

    def written(number: int, piece: str) -> bytes:
        if byte_level and number not in tokenizer.added_tokens_decoder and all(letter in letters for letter in piece):
            return bytes(letters[letter] for letter in piece)
        if fallback and re.fullmatch("<0x[0-9A-F]{2}>", piece):
            return bytes([int(piece[3:5], 16)])
        return (piece.replace("\u2581", " ") if spaced else piece).encode()

    return [None if number in control else written(number, piece) for number, piece in enumerate(pieces)]


def _byte_letters() -> dict[str, int]:
    """The letters with which byte-level vocabularies write bytes (GPT-2's table)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    return {chr(byte): byte for byte in plain} | {chr(256 + place): byte for place, byte in enumerate(others)}


@dataclass(frozen=True)
class _Edges:
    source: Ints
    column: Ints
    target: Ints


class Holder:
    """An automaton over the tokens of one vocabulary: after a valid text the end of the turn, and then only pads."""

    def __init__(self, automaton: Automaton, written: Sequence[bytes | None], end_of_turn: int, pad: int) -> None:
        self._automaton = automaton
        self._written = written
        self._end, self._pad = end_of_turn, pad
        self.ended = len(automaton.moves)  # the state after the end of the turn
        final = np.flatnonzero(automaton.final)
        self._moves: dict[int, tuple[Ints, Ints]] = {
            end_of_turn: (final, np.full_like(final, self.ended)),
            pad: (np.array([self.ended]), np.array([self.ended]))}
        self._single = _single(written)
        self._left = self._tokens_left()

    def _of_token(self, token: int) -> tuple[Ints, Ints]:
        if token not in self._moves:
            text = self._written[token]
            state = np.arange(len(self._automaton.moves))
            for byte in text or b"":
                state = np.where(state >= 0, self._automaton.moves[state, byte], -1)
            source = np.flatnonzero(state >= 0) if text else np.empty(0, np.int64)
            self._moves[token] = source, state[source].astype(np.int64)
        return self._moves[token]

    def tokens(self, likely: Ints) -> Ints:
        """The tokens that take part where these are `likely`, of any shape: they, all single ones, the end and the pad.

        A vocabulary of hundreds of thousands is never looked at whole: it lies where the model is.
        """
        return np.unique(np.concatenate([likely.ravel(), self._single, [self._end, self._pad]]))

    def after(self, state: int, ids: Sequence[int]) -> int:
        """The state after ids that were written from a state on. Raises NoCanvasError where none leads there."""
        for token in ids:
            source, target = self._of_token(token)
            found = target[source == state]
            if not len(found):
                raise NoCanvasError
            state = int(found[0])
        return state

    def _edges(self, tokens: Ints) -> _Edges:
        moves = [self._of_token(int(token)) for token in tokens]
        counts = [len(source) for source, _ in moves]
        return _Edges(np.concatenate([source for source, _ in moves]),
                      np.repeat(np.arange(len(tokens)), counts), np.concatenate([target for _, target in moves]))

    def _tokens_left(self) -> Ints:
        """How many of the tokens that always take part each state is from the end of a text at least."""
        pairs = [source + target * self.ended for source, target in map(self._of_token, self._single.tolist())]
        target, source = np.divmod(np.unique(np.concatenate([*pairs, np.empty(0, np.int64)])), self.ended)
        begin = np.searchsorted(target, np.arange(self.ended + 1))
        left = np.full(self.ended + 1, FAR)
        left[self.ended] = steps = 0
        found = np.flatnonzero(self._automaton.final)
        while len(found):
            left[found] = steps
            before = np.unique(np.concatenate([source[begin[state] : begin[state + 1]] for state in found]))
            found = before[left[before] == FAR]
            steps += 1
        return left

    def _ends(self, room: int) -> Floats:
        return np.where(self._left <= room, 0.0, -np.inf)

    def marginals(self, tokens: Ints, logits: npt.NDArray[np.float32], state: int, room: int) -> Floats:
        """Log-probabilities [positions, tokens] of a canvas that begins in `state`, given the logits of some tokens.

        Only canvases count after which the text can be finished with at most `room` more tokens. Raises NoCanvasError.
        """
        edges = self._edges(tokens)
        scores = logits.astype(np.float64)
        ahead = [np.full(self.ended + 1, -np.inf)]
        ahead[0][state] = 0
        for row in scores:
            ahead.append(_scattered(ahead[-1][edges.source] + row[edges.column], edges.target, self.ended + 1))
        behind = self._ends(room)
        found = np.full(scores.shape, -np.inf)
        for place in reversed(range(len(scores))):
            through = scores[place][edges.column] + behind[edges.target]
            found[place] = _scattered(ahead[place][edges.source] + through, edges.column, len(tokens))
            behind = _scattered(through, edges.source, self.ended + 1)
        if not np.isfinite(behind[state]):
            raise NoCanvasError
        return np.asarray(found - behind[state])

    def likeliest(self, tokens: Ints, logits: npt.NDArray[np.float32], state: int, room: int) -> tuple[list[int], int]:
        """The most probable valid canvas and the state after it. Raises NoCanvasError."""
        edges = self._edges(tokens)
        best = np.full(self.ended + 1, -np.inf)
        best[state] = 0
        arrived: list[Ints] = []
        for row in logits.astype(np.float64):
            scores = best[edges.source] + row[edges.column]
            order = np.argsort(scores, kind="stable")
            by = np.full(self.ended + 1, -1, np.int64)
            by[edges.target[order]] = order  # of equal indices the last one stays: the best
            arrived.append(by)
            best = np.where(by >= 0, scores[by], -np.inf)
        best = best + self._ends(room)
        after = last = int(np.argmax(best))
        if not np.isfinite(best[last]):
            raise NoCanvasError
        path = []
        for by in reversed(arrived):
            edge = by[last]
            path.append(int(tokens[edges.column[edge]]))
            last = int(edges.source[edge])
        return path[::-1], after


class Holders:
    """Makes holders of JSON Schemas over one vocabulary, and keeps the last of them."""

    def __init__(self, written: Sequence[bytes | None], end_of_turn: int, pad: int) -> None:
        self._of_vocabulary = written, end_of_turn, pad
        self._kept: dict[str, Holder] = {}

    def of(self, schema: Mapping[str, Any]) -> Holder:
        """The holder of texts that are valid by a schema. Raises RequestError where it is too large or unknown."""
        key = json.dumps(schema)
        if key not in self._kept:
            while len(self._kept) >= MOST_HOLDERS:
                self._kept.pop(next(iter(self._kept)))
            try:
                self._kept[key] = Holder(automaton(schema), *self._of_vocabulary)
            except SchemaError as error:
                raise RequestError(f"the form {error}") from None
        return self._kept[key]


def _scattered(values: Floats, places: Ints, count: int) -> Floats:
    """The logarithm of the sum of exp(values) that fall on each place."""
    top = np.full(count, -np.inf)
    np.maximum.at(top, places, values)
    seen = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return seen + np.log(np.bincount(places, np.exp(values - seen[places]), count))


def _single(written: Sequence[bytes | None]) -> Ints:
    """The tokens of a single byte, and of a single character where its first byte has no token of its own."""
    bytes_alone = {text for text in written if text and len(text) == 1}
    return np.array([number for number, text in enumerate(written) if text and (
        len(text) == 1 or (text[:1] not in bytes_alone and len(text.decode(errors="replace")) == 1))], np.int64)
