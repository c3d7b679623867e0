"""How well a printed key fits what a question asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rapidfuzz.fuzz import ratio

from model_actors.retrieval import tokens
from schemas.checklist import Question

SILENT = frozenset("""
    a an the of for to in on at by is are was were be been this that these those it its as and or per from with
    what when which who how much many does do did has have will shall may there please state give means less plus
    der die das den dem des ein eine einer eines ist sind war wird wurde was wann wie wer welche welcher welches hoch
    viel viele im in am an auf von vom zu zum zur fur und oder bis mit lautet abzuglich zuzuglich diese dieser dieses
    document documents le la les un une du de des est sont quel quelle quand combien et ou au aux
""".split())
"""Words that name nothing."""

TYPE_WORDS = frozenset("""
    date datum day days amount betrag montant value wert sum summe price preis number no
""".split())
"""Words that only repeat the type of the answer and weigh little."""

TYPE_WEIGHT = 0.3

ABBREVIATIONS = {"nr": "number", "no": "number", "num": "number", "nummer": "number", "n": "number", "qty": "quantity",
                 "amt": "amount", "ref": "reference", "inv": "invoice", "acct": "account", "tel": "telephone",
                 "mwst": "vat", "ust": "vat", "wt": "weight"}

QUALIFIERS = frozenset("""
    net gross sub subtotal tax vat excl excluding incl including previous last prior next minimum maximum min max
    average estimated partial deposit discount netto brutto zwischensumme mwst ust steuer alt vorherige anzahlung
    rabatt ht ttc tva unit
""".split())
"""Words in a key that make it another key unless the question says them too."""

PROSE_WORDS = 6
"""Words before a value in running text above which only the nearest few are its key."""


OF_THE_DOCUMENT = re.compile(
    r"\s+(?:of|on|for|in|to)\s+(?:the|this)\s+\w+\s*\??$|\s+(?:des|der|dieses|dieser|im|auf der|in der)\s+\w+\s*\??$"
    r"|\s+(?:du|de la|de l['’]|des)\s*\w+\s*\??$", re.IGNORECASE)
"""The end of a question that says of which thing it asks, as in `the due date of the invoice`."""

HOW_MUCH = re.compile(r"^\s*wie\s+(?:groß|hoch|lang|viele?|schwer|alt)\b", re.IGNORECASE)


def phrases(question: Question) -> list[str]:
    """The keys that a question names: its hints, or without them the question itself, whole and without its end."""
    if question.look_for:
        return list(question.look_for)
    ask = HOW_MUCH.sub("", question.ask)
    return [ask, OF_THE_DOCUMENT.sub("", ask)]


def fit(key: str, wanted: Sequence[str]) -> float:
    """How well a printed key names one of the wanted phrases: 0 not at all, 1 in every word (a weighted Dice score)."""
    clauses = {key, key.rpartition(";")[2]}
    return max((_fit(own, _content(phrase)) for clause in clauses if (own := _content(clause)) for phrase in wanted),
               default=0.0)


def _content(text: str) -> list[str]:
    return [ABBREVIATIONS.get(token, token) for token in tokens(text)
            if token not in SILENT and not token.isdigit()]


def _fit(own: list[str], phrase: list[str]) -> float:
    if not phrase:
        return 0.0
    if any(token in QUALIFIERS and not any(_alike(token, other) for other in phrase) for token in own[-PROSE_WORDS:]):
        return 0.0
    if len(own) <= PROSE_WORDS:
        return _dice(own, phrase)
    return max((_dice(own[start:], phrase) for start in range(-PROSE_WORDS, 0)
                if all(any(_alike(token, other) for other in own[start:]) for token in phrase)), default=0.0)


def _weight(token: str) -> float:
    return TYPE_WEIGHT if token in TYPE_WORDS else 1.0


def _dice(own: list[str], phrase: list[str]) -> float:
    shared = sum(_weight(token) * max((_likeness(token, other) for other in own), default=0.0) for token in phrase)
    back = sum(_weight(token) * max((_likeness(token, other) for other in phrase), default=0.0) for token in own)
    return (shared + back) / (sum(map(_weight, own)) + sum(map(_weight, phrase)))


def _alike(a: str, b: str) -> bool:
    return _likeness(a, b) > 0.0


def _likeness(a: str, b: str) -> float:
    """1 for the same word, 0.9 for one stem or an OCR slip, else 0."""
    if a == b:
        return 1.0
    shared = next((place for place, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if shared >= 4 and shared >= 0.6 * max(len(a), len(b)):
        return 0.9
    return 0.9 if min(len(a), len(b)) >= 4 and ratio(a, b) >= 85 else 0.0
