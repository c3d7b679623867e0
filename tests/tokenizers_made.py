"""Small tokenizers of the three kinds that models have, made by code, with a chat template like Gemma's."""

from __future__ import annotations

import functools
import itertools
import string
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from model_actors.prompts import SpecialTokens, special_tokens

CONTROL = ("<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|image>",
           "<|image|>", "<image|>", "<|think|>")
FOREIGN = "äöüßéñøåЖ€日本語🦊"
"""Characters of two, three and four bytes that every vocabulary here knows in some way."""

PLAIN = [*string.ascii_letters, *string.digits, *string.punctuation, " ", "\n", "\t", *FOREIGN]
MERGED = [*(f" {letter}" for letter in string.ascii_letters), " the", " answer", " Page", "total", "null", "true", '{"',
          '": ', '", "', "}, {", "\\n", '\\"', "12", "00", "é", "日本", "🦊", "ü "]
"""Texts of one token in the vocabularies that merge, some of them across the edges of what JSON means."""

EMPTY_THOUGHT = "<|channel>thought\n<channel|>"
TEMPLATE = (
    "{{ '<bos>' }}{% for message in messages %}{{ '<|turn>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] | trim }}{% else %}"
    "{% for item in message['content'] %}"
    "{% if item['type'] == 'image' %}{{ '<|image|>' }}{% else %}{{ item['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<turn|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|turn>model\n' }}{% endif %}")
CLOSING_TEMPLATE = TEMPLATE + "{% if not enable_thinking %}{{ '" + EMPTY_THOUGHT + "' }}{% endif %}"


def _merges(pieces: Iterable[str], vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Merges that make each piece from its left; what they go through becomes a token too."""
    made: dict[tuple[str, str], None] = {}
    for piece in pieces:
        for left, letter in itertools.pairwise(itertools.accumulate(piece)):
            made[left, letter[-1]] = None
            vocabulary.setdefault(letter, len(vocabulary))
    return list(made)


def _whole(inner: Tokenizer, *added: str) -> Any:
    inner.add_special_tokens(list(CONTROL))
    inner.add_tokens([AddedToken(text, normalized=False) for text in added])
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>",
        clean_up_tokenization_spaces=False)
    made.chat_template = TEMPLATE
    return made


@functools.cache
def byte_level() -> Any:
    """Like GPT-2's: bytes written as letters, merged."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    vocabulary = {piece: number for number, piece in enumerate([*CONTROL, *sorted(split.alphabet())])}
    merges = _merges([split.pre_tokenize_str(text)[0][0] for text in MERGED], vocabulary)
    inner = Tokenizer(models.BPE(vocabulary, merges))
    inner.pre_tokenizer, inner.decoder = split, decoders.ByteLevel()
    return _whole(inner, "åé", "<0x41>")


@functools.cache
def sentencepiece() -> Any:
    """Like Gemma's: blanks written as ▁, and bytes as <0xNN> where there is no letter."""
    letters = [letter.replace(" ", "▁") for letter in PLAIN if letter not in "語Ж€"]
    vocabulary = {piece: number for number, piece in enumerate(
        [*CONTROL, *(f"<0x{byte:02X}>" for byte in range(256)), *letters])}
    merges = _merges([text.replace(" ", "▁") for text in MERGED], vocabulary)
    inner = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    inner.normalizer = normalizers.Replace(" ", "▁")
    inner.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return _whole(inner, "åé")


@functools.cache
def plain() -> Any:
    """A token a character, and <unk> for all that it has none for."""
    inner = Tokenizer(models.WordLevel({piece: number for number, piece in enumerate([*CONTROL, *PLAIN])}, "<unk>"))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated"), decoders.Fuse()
    return _whole(inner, "åé", "<0x41>")


MADE: tuple[Callable[[], Any], ...] = (byte_level, sentencepiece, plain)


def specials(tokenizer: Any) -> SpecialTokens:
    """The special ids of a made tokenizer."""
    known = tokenizer.get_vocab()
    return special_tokens(tokenizer, SimpleNamespace(image_token_id=known["<|image|>"], boi_token_id=known["<|image>"],
                                                     eoi_token_id=known["<image|>"]))
