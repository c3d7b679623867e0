"""JSON Schemas as automata: what they accept is valid, every valid value is accepted, the rest is refused."""

from __future__ import annotations

import datetime
import json
import random
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from model_actors import grammar
from model_actors.grammar import Automaton, SchemaError, automaton
from model_actors.prompts import timestamp

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('"\\\n\t\b\f\r/{}[],:é€🦊'), max_size=6)
LITERAL = TEXT | st.none() | st.booleans() | st.integers(-99, 99) | st.dictionaries(TEXT, TEXT | st.just([1, "a"]),
                                                                                  max_size=2)
DEFINITIONS = {"a/b~c": {"type": "object", "properties": {"é\"": {"type": "boolean"}}},
               "n": {"type": ["null", "integer"]}}


@st.composite
def strings(draw: st.DrawFn) -> dict[str, Any]:
    least = draw(st.integers(0, 3))
    return {"type": "string", **draw(st.sampled_from([{}, {"minLength": least}, {"maxLength": least + 2},
                                                      {"minLength": least, "maxLength": least + 2}]))}


@st.composite
def lists(draw: st.DrawFn, items: st.SearchStrategy[Any]) -> dict[str, Any]:
    least = draw(st.integers(0, 2))
    return {"type": "array", "items": draw(items), **draw(st.sampled_from([
        {}, {"minItems": least}, {"maxItems": least}, {"minItems": least, "maxItems": least + 2}]))}


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> dict[str, Any]:
    properties = draw(st.dictionaries(TEXT, values, max_size=4))
    return {"type": "object", "properties": properties, "additionalProperties": False,
            "required": [name for name in properties if draw(st.booleans())]}


LEAVES = st.one_of(
    strings(), st.builds(lambda values: {"enum": values}, st.lists(LITERAL, min_size=1, max_size=3)),
    st.builds(lambda value: {"const": value}, LITERAL),
    st.sampled_from([{"type": "number"}, {"type": "integer"}, {"type": "integer", "minimum": 0}, {"type": "boolean"},
                     {"type": "null"}, {"type": ["number", "null", "string"], "maxLength": 2},
                     {"$ref": "#/$defs/a~1b~0c"}, {"$ref": "#/$defs/n"}]))
SCHEMAS = st.recursive(LEAVES, lambda inner: st.one_of(
    objects(inner), lists(inner), st.builds(lambda kinds: {"anyOf": kinds}, st.lists(inner, min_size=1, max_size=3))),
    max_leaves=5).map(lambda schema: {"$defs": DEFINITIONS, **schema})


def a_value(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    """A random value of a schema, its properties in the schema's order."""
    if "$ref" in schema:
        return a_value(draw, DEFINITIONS[schema["$ref"][8:].replace("~1", "/").replace("~0", "~")])
    if "anyOf" in schema:
        return a_value(draw, draw(st.sampled_from(schema["anyOf"])))
    if "enum" in schema or "const" in schema:
        return draw(st.sampled_from(schema.get("enum", [schema.get("const")])))
    kind = schema["type"] if isinstance(schema["type"], str) else draw(st.sampled_from(schema["type"]))
    if kind == "object":
        return {name: a_value(draw, inner) for name, inner in schema["properties"].items()
                if name in schema.get("required", ()) or draw(st.booleans())}
    least = schema.get("minLength", schema.get("minItems", 0))
    most = schema.get("maxLength", schema.get("maxItems", least + 3))
    if kind == "array":
        return [a_value(draw, schema["items"]) for _ in range(draw(st.integers(least, most)))]
    if kind == "string":
        return "".join(draw(st.lists(TEXT.filter(bool).map(lambda text: text[0]), min_size=least, max_size=most)))
    return draw({"null": st.none(), "boolean": st.booleans(),
                 "integer": st.integers(schema.get("minimum", -10**17), 10**18 - 1),
                 "number": st.integers(-10**9, 10**9).map(lambda cents: cents / 100)}[kind])


def walked(machine: Automaton, chance: random.Random) -> bytes:
    """A random text that ends in a final state; after a hundred bytes by the shortest way there."""
    left = np.where(machine.final, 0, 10**6)
    for _ in range(len(left)):
        left = np.minimum(left, np.append(left, 10**6)[machine.moves].min(axis=1) + 1)
    text, state = b"", 0
    while not machine.final[state] or (len(text) < 100 and (machine.moves[state] >= 0).any() and chance.random() < 0.9):
        following = np.flatnonzero(machine.moves[state] >= 0)
        if len(text) > 100:
            following = following[left[machine.moves[state, following]] < left[state]]
        byte = 0x22 if 0x22 in following and chance.random() < 0.2 else chance.choice(following.tolist())
        text, state = text + bytes([byte]), int(machine.moves[state, byte])
    return text


def accepts(machine: Automaton, text: str) -> bool:
    state = machine.run(text.encode())
    return state >= 0 and bool(machine.final[state])


@settings(max_examples=150)
@given(SCHEMAS, st.randoms(use_true_random=False))
def test_every_text_that_is_accepted_is_a_valid_value(schema: dict[str, Any], chance: random.Random) -> None:
    machine = automaton(schema)
    for _ in range(5):
        Draft202012Validator(schema).validate(json.loads(walked(machine, chance).decode()))


@settings(max_examples=150)
@given(SCHEMAS, st.data())
def test_every_valid_value_is_accepted_as_json_writes_it(schema: dict[str, Any], data: st.DataObject) -> None:
    value = a_value(data.draw, schema)
    Draft202012Validator(schema).validate(value)  # or this test shows nothing
    assert accepts(automaton(schema), json.dumps(value, ensure_ascii=False))


@pytest.mark.parametrize("text", [
    '{"a": 1}', '{"b": "x", "a": 1}', '{"b": "x"}', '{"a": 01, "b": "x"}', '{"a": 1,"b": "x"}', '{"a": -1, "b": "x"}',
    '{"a": 1, "b": "x", }', '{"a": 1, "b": ""}', '{"a": 1, "b": "xyz"}', '{"a": 1, "b": "\n"}', '{"a": 1, "b": "\\x"}',
    '{"a": 1., "b": "x"}', '{"a": 1, "b": "x"} ', '{"a": 1, "b": "x", "c": 1}', "null", ""])
def test_what_is_no_value_of_the_schema_is_not_accepted(text: str) -> None:
    machine = automaton({"type": "object", "required": ["a", "b"], "properties": {
        "a": {"type": "integer", "minimum": 0}, "b": {"type": "string", "minLength": 1, "maxLength": 2}}})
    assert accepts(machine, '{"a": 1, "b": "é"}')
    assert not accepts(machine, text)


@pytest.mark.parametrize("data", [b'"\xff"', b'"\xc0\x80"', b'"\xe0\x80\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"',
                                  b'"\xc3"', b'"\x80"', b'"\xf5\x80\x80\x80"', b'"\x1f"'])
def test_no_string_holds_bytes_that_are_no_unicode(data: bytes) -> None:
    assert automaton({"type": "string"}).run(data) == -1


OPEN = {"$defs": {"tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}}}}, "$ref": "#/$defs/tree"}
DEEP: dict[str, Any] = {"type": "null"}
for _ in range(2000):
    DEEP = {"type": "array", "items": DEEP}


@pytest.mark.parametrize(("schema", "says"), [
    (OPEN, "write out the levels you need"), ({"properties": {"x": {"$ref": "#"}}}, "write out the levels you need"),
    ({"$ref": "#/$defs/gone"}, "'#/$defs/gone', which it does not hold: name it under $defs"),
    ({"$ref": "http://elsewhere/x.json"}, "which it does not hold"),
    *(({keyword: value, "type": "object"}, f"uses '{keyword}', which no form can hold: write the schema without it")
      for keyword, value in (("allOf", [True]), ("not", {}), ("if", {}), ("patternProperties", {}), ("contains", {}),
                             ("dependentSchemas", {}), ("prefixItems", [{}]), ("$dynamicRef", "#x"))),
    ({"type": "object", "anyOf": [{"type": "null"}]}, "has 'type' beside 'anyOf': write each alternative out whole"),
    ({"type": "string", "enum": [1]}, "list the values it may have"),
    ({"type": "array"}, "without 'items': say what it lists"), ({"type": "object"}, "say what it holds"),
    ({}, "give that place a type"), ({"properties": {"x": True}}, "give that place a type"),
    ({"properties": {"x": False}}, "holds False where a schema should stand"),
    ({"title": "x"}, "type None: give it a type that JSON has"), ({"enum": []}, "list the values it may have"),
    ({"type": "text"}, "is no JSON Schema: 'text' is not"), ({"type": "string", "minLength": -1}, "is no JSON Schema"),
    ({"type": "string", "minLength": 3, "maxLength": 2}, "minLength 3 over maxLength 2: give it room"),
    ({"type": "array", "items": {"type": "null"}, "minItems": 1, "maxItems": 0}, "minItems 1 over maxItems 0"),
    ({"properties": {"x": {"type": "null"}}, "required": ["x", "y"]}, "requires y, of which it says nothing: name it"),
    ({"const": "\ud800"}, "write whole characters"), ({"properties": {"\ud800": {"type": "null"}}}, "whole characters"),
    ({"type": "string", "maxLength": 10**9}, "too large for a form: ask for less"), (DEEP, "too deep for a form: ask"),
    ({"type": "array", "minItems": 99, "items": {"type": "array", "minItems": 99, "items": {"type": "number"}}},
     "too large for a form: ask for less"),
])
def test_a_schema_that_no_form_can_hold_is_refused_and_what_to_do_is_said(schema: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError, match=re.escape(says)):
        automaton(schema)


def test_choices_that_must_all_be_kept_in_mind_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of twelve kinds of object lacks a key of its own, so that every set of kinds takes states."""
    kinds = [{"properties": {str(key): {"type": "null"} for key in range(12) if key != lacking}}
             for lacking in range(12)]
    monkeypatch.setattr(grammar, "MAX_STATES", 4000)
    with pytest.raises(SchemaError, match="too large for a form: ask for less"):
        automaton({"anyOf": kinds})
    assert accepts(automaton({"anyOf": kinds[:4]}), '{"1": null, "3": null}')


@pytest.mark.parametrize("schema", [
    {"type": "string", "maxLength": 1000},
    {"type": "object", "properties": {f"property_{n}": {"type": "string"} for n in range(300)}}])
def test_long_strings_and_many_properties_are_forms(schema: dict[str, Any]) -> None:
    value: Any = "é" * 1000 if schema["type"] == "string" else {"property_7": "a", "property_299": "b"}
    machine = automaton(schema)
    assert accepts(machine, json.dumps(value, ensure_ascii=False))
    assert len(machine.moves) <= grammar.MAX_STATES + 1


@given(st.dates(datetime.date(1000, 1, 1), datetime.date(2999, 12, 31)))
def test_every_date_of_two_millennia_is_one(date: datetime.date) -> None:
    assert accepts(automaton({"type": "string", "format": "date"}), f'"{date}"')


@pytest.mark.parametrize("text", ["2026-13-01", "2026-00-10", "2026-01-32", "2026-01-00", "0999-01-01", "2026-1-1"])
def test_a_month_or_day_that_there_is_not_is_no_date(text: str) -> None:
    assert not accepts(automaton({"type": "string", "format": "date"}), f'"{text}"')


STAMP = automaton({"type": "string", "format": "timestamp"})


@given(st.floats(0, 9999 * 3600))
def test_every_time_of_a_video_is_a_timestamp(seconds: float) -> None:
    assert accepts(STAMP, f'"{timestamp(seconds)}"')


@given(st.randoms(use_true_random=False))
def test_every_timestamp_is_written_as_a_prompt_writes_it(chance: random.Random) -> None:
    text = json.loads(walked(STAMP, chance))
    *hours, minutes, seconds = text.split(":")
    assert timestamp(int((hours or ["0"])[0]) * 3600 + int(minutes) * 60 + float(seconds)) == text


def test_a_currency_is_three_capitals() -> None:
    machine = automaton({"type": "string", "format": "currency"})
    assert [accepts(machine, f'"{text}"') for text in ("EUR", "eur", "EU", "EURO", "€")] == [True] + [False] * 4
