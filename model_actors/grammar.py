"""JSON Schemas as finite automata over bytes, so that a canvas can be held to valid JSON at every step.

A form is written with ", " and ": " between its parts and its properties in the schema's own order; that is one way of
writing each value out of many, and the one that prompts show. What an automaton cannot hold (bounds of numbers,
patterns, uniqueness) is checked afterwards, by whoever reads the value.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema
import numpy as np
import numpy.typing as npt

MAX_STATES = 20_000
"""States of an automaton at most: a schema of a few hundred properties, or strings of a thousand characters."""

WHOLE_DIGITS, DECIMALS = 18, 9
"""Digits of a number at most before and after its point, so that one cannot fill a canvas."""

HOUR_DIGITS = 4
"""Digits of the hours of a timestamp at most."""

REFUSED = ("allOf", "not", "if", "patternProperties", "dependentSchemas", "prefixItems", "contains", "$dynamicRef")
"""Keywords that change which values are valid in ways that no form can be built around."""


SHAPES = ("type", "properties", "required", "items", "enum", "const")
"""Keywords that say what a value is."""


class SchemaError(ValueError):
    """A schema cannot be a form; the message says why and what to do."""


class _Nfa:
    """A nondeterministic automaton under construction: every fragment is (first state, last state)."""

    def __init__(self) -> None:
        self.moves: list[list[tuple[int, int, int]]] = []  # from each state: (lowest byte, highest byte, to)
        self.free: list[list[int]] = []  # from each state: moves that read nothing

    def state(self) -> int:
        if len(self.moves) > MAX_STATES:
            raise SchemaError("is too large for a form: ask for less at a time")
        self.moves.append([])
        self.free.append([])
        return len(self.moves) - 1

    def ranges(self, *pairs: tuple[int, int]) -> tuple[int, int]:
        first, last = self.state(), self.state()
        self.moves[first] += [(low, high, last) for low, high in pairs]
        return first, last

    def literal(self, text: str) -> tuple[int, int]:
        first = last = self.state()
        try:
            data = text.encode()
        except UnicodeEncodeError:
            raise SchemaError(f"holds {text!r}, which is no Unicode text: write whole characters") from None
        for byte in data:
            after = self.state()
            self.moves[last].append((byte, byte, after))
            last = after
        return first, last

    def sequence(self, *parts: tuple[int, int]) -> tuple[int, int]:
        for left, right in itertools.pairwise(parts):
            self.free[left[1]].append(right[0])
        return (parts[0][0], parts[-1][1]) if parts else self.literal("")

    def either(self, parts: Iterable[tuple[int, int]]) -> tuple[int, int]:
        first, last = self.state(), self.state()
        for part in parts:
            self.free[first].append(part[0])
            self.free[part[1]].append(last)
        return first, last

    def many(self, part: tuple[int, int]) -> tuple[int, int]:
        first, last = self.state(), self.state()
        self.free[first] += [part[0], last]
        self.free[part[1]] += [part[0], last]
        return first, last

    def maybe(self, part: tuple[int, int]) -> tuple[int, int]:
        return self.either([part, self.literal("")])


class _Builder:
    """Builds the fragment of each value of a schema."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.nfa = _Nfa()
        self.root = root
        self.open: list[str] = []

    def value(self, schema: Any) -> tuple[int, int]:
        if schema is True or schema == {}:
            raise SchemaError("allows any value somewhere: give that place a type")
        if not isinstance(schema, Mapping):
            raise SchemaError(f"holds {schema!r} where a schema should stand")
        for keyword in REFUSED:
            if keyword in schema:
                raise SchemaError(f"uses {keyword!r}, which no form can hold: write the schema without it")
        if "$id" in schema and schema is not self.root:
            outer, self.root = self.root, schema
            built = self.value(schema)
            self.root = outer
            return built
        alternatives = next((keyword for keyword in ("$ref", "anyOf", "oneOf") if keyword in schema), None)
        beside = alternatives and next((keyword for keyword in SHAPES if keyword in schema), None)
        if beside:
            raise SchemaError(f"has {beside!r} beside {alternatives!r}: write each alternative out whole")
        if "$ref" in schema:
            return self._referred(schema["$ref"])
        if "const" in schema or "enum" in schema:
            allowed = [schema["const"]] if "const" in schema else schema["enum"]
            return self._literals(filter(jsonschema.Draft202012Validator(schema).is_valid, allowed))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self.nfa.either([self.value(each) for each in schema[keyword]])
        kind = schema.get("type", "object" if "properties" in schema else None)
        if isinstance(kind, list):
            return self.nfa.either([self.value({**schema, "type": each}) for each in kind])
        if kind not in ("object", "array", "string", "number", "integer", "boolean", "null"):
            raise SchemaError(f"has a value of type {kind!r}: give it a type that JSON has")
        return getattr(self, f"_{kind}")(schema)  # type: ignore[no-any-return]

    def _referred(self, reference: str) -> tuple[int, int]:
        if reference in self.open:
            raise SchemaError(f"refers to itself ({reference}): a form has a fixed depth, so write out the levels you "
                              "need")
        target: Any = self.root
        for part in reference.removeprefix("#").strip("/").split("/"):
            try:
                target = target[part.replace("~1", "/").replace("~0", "~")] if part else target
            except (KeyError, TypeError, IndexError):
                raise SchemaError(f"refers to {reference!r}, which it does not hold: name it under $defs") from None
        self.open.append(reference)
        built = self.value(target)
        self.open.pop()
        return built

    def _literals(self, values: Iterable[Any]) -> tuple[int, int]:
        written = [json.dumps(value, ensure_ascii=False) for value in values]
        if not written:
            raise SchemaError("has an empty enum: list the values it may have")
        return self.nfa.either([self.nfa.literal(text) for text in written])

    def _null(self, _: Mapping[str, Any]) -> tuple[int, int]:
        return self.nfa.literal("null")

    def _boolean(self, _: Mapping[str, Any]) -> tuple[int, int]:
        return self._literals([True, False])

    def _digits(self) -> tuple[int, int]:
        return self.nfa.ranges((0x30, 0x39))

    def _up_to(self, count: int) -> tuple[int, int]:
        tail = self.nfa.literal("")
        for _ in range(count):
            tail = self.nfa.maybe(self.nfa.sequence(self._digits(), tail))
        return tail

    def _integer(self, schema: Mapping[str, Any]) -> tuple[int, int]:
        rest = self._up_to(WHOLE_DIGITS - 1)
        whole = self.nfa.either([self.nfa.literal("0"), self.nfa.sequence(self.nfa.ranges((0x31, 0x39)), rest)])
        if schema.get("minimum", -1) >= 0 or schema.get("exclusiveMinimum", -1) >= 0:
            return whole
        return self.nfa.sequence(self.nfa.maybe(self.nfa.literal("-")), whole)

    def _number(self, schema: Mapping[str, Any]) -> tuple[int, int]:
        decimals = self.nfa.sequence(self.nfa.literal("."), self._digits(), self._up_to(DECIMALS - 1))
        return self.nfa.sequence(self._integer(schema), self.nfa.maybe(decimals))

    def _string(self, schema: Mapping[str, Any]) -> tuple[int, int]:
        named = {"date": self._date, "timestamp": self._timestamp, "currency": self._currency}.get(
            schema.get("format", ""))
        if named is not None:
            return self.nfa.sequence(self.nfa.literal('"'), named(), self.nfa.literal('"'))
        least, most = _bounds(schema, "minLength", "maxLength")
        parts = [self._character() for _ in range(least)]
        if most is None:
            parts.append(self.nfa.many(self._character()))
        else:
            tail = self.nfa.literal("")
            for _ in range(most - least):
                tail = self.nfa.maybe(self.nfa.sequence(self._character(), tail))
            parts.append(tail)
        return self.nfa.sequence(self.nfa.literal('"'), *parts, self.nfa.literal('"'))

    def _character(self) -> tuple[int, int]:
        """One character of a JSON string: any of Unicode but quote, backslash and controls, or a short escape."""
        first, escaped, last = self.nfa.state(), self.nfa.state(), self.nfa.state()
        one, two, three = self.nfa.state(), self.nfa.state(), self.nfa.state()  # that many bytes are still to come
        moves = self.nfa.moves
        moves[first] += [(0x20, 0x21, last), (0x23, 0x5B, last), (0x5D, 0x7E, last), (0x5C, 0x5C, escaped),
                         (0xC2, 0xDF, one), (0xE1, 0xEC, two), (0xEE, 0xEF, two), (0xF1, 0xF3, three)]
        moves[escaped] += [(ord(each), ord(each), last) for each in '"\\/bfnrt']
        for lead, low, high, then in ((0xE0, 0xA0, 0xBF, one), (0xED, 0x80, 0x9F, one), (0xF0, 0x90, 0xBF, two),
                                      (0xF4, 0x80, 0x8F, two)):
            narrow = self.nfa.state()
            moves[first].append((lead, lead, narrow))
            moves[narrow].append((low, high, then))
        for state, then in ((one, last), (two, one), (three, two)):
            moves[state].append((0x80, 0xBF, then))
        return first, last

    def _date(self) -> tuple[int, int]:
        """Dates from 1000 to 2999; a 31st of a short month is left to whoever reads the value."""
        digit = self._digits
        month = self.nfa.either([self.nfa.sequence(self.nfa.literal("0"), self.nfa.ranges((0x31, 0x39))),
                                 self.nfa.sequence(self.nfa.literal("1"), self.nfa.ranges((0x30, 0x32)))])
        day = self.nfa.either([self.nfa.sequence(self.nfa.literal("0"), self.nfa.ranges((0x31, 0x39))),
                               self.nfa.sequence(self.nfa.ranges((0x31, 0x32)), digit()),
                               self.nfa.sequence(self.nfa.literal("3"), self.nfa.ranges((0x30, 0x31)))])
        return self.nfa.sequence(self.nfa.ranges((0x31, 0x32)), digit(), digit(), digit(), self.nfa.literal("-"), month,
                                 self.nfa.literal("-"), day)

    def _timestamp(self) -> tuple[int, int]:
        """What prompts.timestamp writes: hours only where there are any, thousandths only where they are not 0."""
        def sixty() -> tuple[int, int]:
            return self.nfa.sequence(self.nfa.ranges((0x30, 0x35)), self._digits())

        def not_zero() -> tuple[int, int]:
            return self.nfa.ranges((0x31, 0x39))

        hours = self.nfa.sequence(not_zero(), self._up_to(HOUR_DIGITS - 1), self.nfa.literal(":"))
        thousandths = self.nfa.sequence(self.nfa.literal("."), self.nfa.either([
            self.nfa.sequence(not_zero(), self._digits(), self._digits()),
            self.nfa.sequence(self.nfa.literal("0"), not_zero(), self._digits()),
            self.nfa.sequence(self.nfa.literal("00"), not_zero())]))
        return self.nfa.sequence(self.nfa.maybe(hours), sixty(), self.nfa.literal(":"), sixty(),
                                 self.nfa.maybe(thousandths))

    def _currency(self) -> tuple[int, int]:
        return self.nfa.sequence(*(self.nfa.ranges((0x41, 0x5A)) for _ in range(3)))

    def _array(self, schema: Mapping[str, Any]) -> tuple[int, int]:
        items, (least, most) = schema.get("items"), _bounds(schema, "minItems", "maxItems")
        if items is None:
            raise SchemaError("has a list without 'items': say what it lists")

        def following() -> tuple[int, int]:
            return self.nfa.sequence(self.nfa.literal(", "), self.value(items))

        if most == 0:
            return self.nfa.literal("[]")
        some = [self.value(items), *(following() for _ in range(least - 1))]
        if most is None:
            some.append(self.nfa.many(following()))
        else:
            tail = self.nfa.literal("")
            for _ in range(most - max(1, least)):
                tail = self.nfa.maybe(self.nfa.sequence(following(), tail))
            some.append(tail)
        inside = self.nfa.sequence(*some)
        return self.nfa.sequence(self.nfa.literal("["), inside if least else self.nfa.maybe(inside),
                                 self.nfa.literal("]"))

    def _object(self, schema: Mapping[str, Any]) -> tuple[int, int]:
        if "properties" not in schema:
            raise SchemaError("has an object without 'properties': say what it holds")
        required = set(schema.get("required", ()))
        properties: Mapping[str, Any] = schema["properties"]
        missing = required - set(properties)
        if missing:
            raise SchemaError(f"requires {', '.join(sorted(missing))}, of which it says nothing: name it in properties")
        # what follows, where nothing stands before it and where a comma is due
        alone, after = self.nfa.literal(""), self.nfa.literal("")
        for name, inner in reversed(list(properties.items())):
            key = self.nfa.literal(json.dumps(name, ensure_ascii=False) + ": ")
            first = self.nfa.sequence(key, self.value(inner), after)
            later = self.nfa.sequence(self.nfa.literal(", "), first)
            if name in required:
                alone, after = first, later
            else:
                alone, after = self.nfa.either([first, alone]), self.nfa.either([later, after])
        return self.nfa.sequence(self.nfa.literal("{"), alone, self.nfa.literal("}"))


def _bounds(schema: Mapping[str, Any], lowest: str, highest: str) -> tuple[int, int | None]:
    """Two counts of a schema, which may write them 2.0."""
    least, most = int(schema.get(lowest, 0)), schema.get(highest)
    if most is not None and most < least:
        raise SchemaError(f"has {lowest} {least} over {highest} {most}: give it room for a value")
    return least, None if most is None else int(most)


class Automaton:
    """A deterministic automaton: `moves` is int32 [states, 256], -1 where a byte cannot follow; 0 is the start."""

    def __init__(self, moves: npt.NDArray[np.int32], final: npt.NDArray[np.bool_]) -> None:
        self.moves = moves
        self.final = final

    def run(self, text: bytes, state: int = 0) -> int:
        """The state after these bytes, -1 where they cannot stand there."""
        for byte in text:
            state = int(self.moves[state, byte]) if state >= 0 else -1
        return state


def automaton(schema: Mapping[str, Any]) -> Automaton:
    """The automaton of all values of a JSON Schema, as a form writes them. Raises SchemaError."""
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise SchemaError(f"is no JSON Schema: {error.message}") from None
    except RecursionError:
        raise SchemaError("is nested too deep for a form: ask for less at a time") from None
    builder = _Builder(schema)
    try:
        first, last = builder.value(schema)
    except RecursionError:
        raise SchemaError("is nested too deep for a form: ask for less at a time") from None
    return _determinised(builder.nfa, first, last)


def _determinised(nfa: _Nfa, first: int, last: int) -> Automaton:
    """By the subset construction (Rabin and Scott, 1959)."""
    def closed(states: Iterable[int]) -> frozenset[int]:
        found, todo = set(states), list(states)
        while todo:
            for target in nfa.free[todo.pop()]:
                if target not in found:
                    found.add(target)
                    todo.append(target)
        return frozenset(found)

    start = closed([first])
    numbers = {start: 0}
    todo, rows, final = [start], [], []
    while todo:
        states = todo.pop(0)
        reached: list[set[int]] = [set() for _ in range(256)]
        for state in states:
            for low, high, target in nfa.moves[state]:
                for byte in range(low, high + 1):
                    reached[byte].add(target)
        row, known = np.full(256, -1, np.int32), {}
        for byte, targets in enumerate(reached):
            if not targets:
                continue
            key = frozenset(targets)
            if key not in known:
                after = closed(targets)
                if after not in numbers:
                    if len(numbers) > MAX_STATES:
                        raise SchemaError("is too large for a form: ask for less at a time")
                    numbers[after] = len(numbers)
                    todo.append(after)
                known[key] = numbers[after]
            row[byte] = known[key]
        rows.append(row)
        final.append(last in states)
    return Automaton(np.stack(rows), np.array(final))
