"""Image arithmetic against the model's own image processor.

The processor's function is taken from the installed transformers by its syntax tree, because its module needs torch.
"""

from __future__ import annotations

import ast
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_actors.budgets import BUDGETS, IMAGE_MARKS, TOKEN_SIDE, image_size, image_tokens, text_tokens

A4 = (595, 842)
WIDE = (1920, 1080)
Size = tuple[int, int]
SIDES = st.integers(1, 20_000)
BUDGET = st.sampled_from(BUDGETS)


def _real_function() -> Callable[[int, int, int, int, int], Size]:
    found = importlib.util.find_spec("transformers")
    assert found is not None
    assert found.submodule_search_locations
    source = Path(found.submodule_search_locations[0]) / "models" / "gemma4" / "image_processing_gemma4.py"
    name = "get_aspect_ratio_preserving_size"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    space: dict[str, Callable[[int, int, int, int, int], Size]] = {}
    exec(compile(ast.Module([function], []), str(source), "exec"), {"math": math}, space)
    return space[name]


real = _real_function()


def resized(size: Size, budget: int) -> Size:
    """What the real processor makes of an image of this size: patches of 16 px, pooled 3 x 3."""
    height, width = real(size[1], size[0], 16, budget * 9, 3)
    return width, height


def settled(size: Size, budget: int) -> Size:
    """Where the real processor's sizes end when it is given its own result again and again."""
    while (again := resized(size, budget)) != size:
        size = again
    return size


@given(SIDES, SIDES, BUDGET)
def test_real_processor_leaves_a_drawn_image_as_it_is(width: int, height: int, budget: int) -> None:
    size = image_size(width, height, budget)
    assert resized(size, budget) == size


@given(SIDES, SIDES, BUDGET)
def test_size_is_nearer_in_shape_than_where_the_real_processor_settles(width: int, height: int, budget: int) -> None:
    def stretch(size: Size) -> float:
        return abs(math.log(size[0] / size[1] * height / width))

    if resized(resized((width, height), budget), budget) != resized((width, height), budget):
        assert stretch(image_size(width, height, budget)) <= stretch(settled((width, height), budget)) + 1e-9


@given(st.integers(100, 10_000), st.fractions("1/4", 4), BUDGET)
def test_ordinary_shapes_get_the_real_processors_first_size_wherever_it_would_stay(
        width: int, ratio: float, budget: int) -> None:
    """Its first size is not always one that it would leave alone: 864 x 1392 px become 864 x 1440 the second time."""
    height = round(width * ratio)
    once = resized((width, height), budget)
    size = image_size(width, height, budget)
    if resized(once, budget) == once:
        assert size == once
    assert abs(math.log(size[0] / size[1] * height / width)) < math.log(1.25)


@given(SIDES, SIDES, BUDGET)
def test_tokens_are_never_over_the_budget_and_sides_are_whole_tokens(width: int, height: int, budget: int) -> None:
    size = image_size(width, height, budget)
    assert 1 <= image_tokens(size) - IMAGE_MARKS <= budget
    assert [side % TOKEN_SIDE for side in size] == [0, 0]
    assert min(size) >= TOKEN_SIDE


@pytest.mark.parametrize("budget", BUDGETS)
def test_every_size_of_whole_tokens_within_the_budget_settles_within_it(budget: int) -> None:
    for columns in range(1, budget + 1):
        for rows in range(1, budget // columns + 1):
            size = image_size(columns * TOKEN_SIDE, rows * TOKEN_SIDE, budget)
            assert image_tokens(size) - IMAGE_MARKS <= budget


@given(SIDES, SIDES, BUDGET)
def test_a_turned_image_gets_the_turned_size(width: int, height: int, budget: int) -> None:
    assert image_size(height, width, budget) == image_size(width, height, budget)[::-1]


@given(SIDES, SIDES, BUDGET, st.sampled_from([0.25, 0.5, 2.0, 1024.0]))
def test_only_the_ratio_matters(width: int, height: int, budget: int, scale: float) -> None:
    assert image_size(width * scale, height * scale, budget) == image_size(width, height, budget)


@pytest.mark.parametrize(("shape", "first", "drawn"), [
    (A4, (63, 126, 266, 532, 1092), (63, 126, 266, 532, 1092)),
    (WIDE, (66, 120, 264, 527, 1100), (66, 135, 264, 527, 1100)),
])
def test_tokens_of_common_shapes(shape: Size, first: tuple[int, ...], drawn: tuple[int, ...]) -> None:
    """The real processor makes 120 tokens of a 16:9 frame at 140, and of that image, if it sees it again, 128."""
    assert tuple(image_tokens(resized(shape, budget)) - IMAGE_MARKS for budget in BUDGETS) == first
    assert tuple(image_tokens(image_size(*shape, budget)) - IMAGE_MARKS for budget in BUDGETS) == drawn


@pytest.mark.parametrize(("shape", "budget", "size"), [
    (A4, 1120, (1344, 1872)), (WIDE, 280, (1056, 576)), ((1, 1), 1120, (1584, 1584)), ((1, 100_000), 70, (48, 3360)),
    ((100_000, 1), 70, (3360, 48)),
])
def test_known_sizes(shape: Size, budget: int, size: Size) -> None:
    assert image_size(*shape, budget) == size


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0), (-1, 5), (math.inf, 1), (1, math.nan)])
def test_an_image_without_a_shape_is_refused(width: float, height: float) -> None:
    with pytest.raises(ValueError, match="has no shape"):
        image_size(width, height, 280)


@pytest.mark.parametrize("budget", [0, 69, 281, -70])
def test_an_unknown_budget_is_refused(budget: int) -> None:
    with pytest.raises(ValueError, match=f"budget {budget} is none of"):
        image_size(1, 1, budget)


@given(st.text(st.characters(codec="utf-8")))
def test_text_tokens_are_the_bytes_of_a_text(text: str) -> None:
    assert text_tokens(text) == len(text.encode())


def test_text_tokens_count_what_cannot_be_encoded_too() -> None:
    assert text_tokens("\ud800") == 3
