from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pytest

from model_actors.engine import Pixels
from pipeline.pixel_slots import Borrower, Lender, Slot

SHAPE = (3, 4, 3)


def image(value: int) -> Pixels:
    return np.full(SHAPE, value, np.uint8)


def allotted(slot: Slot, value: int) -> Pixels:
    room = slot.allot(SHAPE)
    room.fill(value)
    return room


def received(slot: Slot, shapes: Sequence[tuple[int, ...]]) -> list[Pixels]:
    borrower = Borrower()
    borrower.map(slot.number, os.dup(slot.descriptor))
    return borrower.borrow(slot.number, shapes)


def test_the_other_side_sees_arrays_that_were_allotted_and_arrays_that_were_copied() -> None:
    slot = Lender().lend()
    slot.hold([allotted(slot, 1), allotted(slot, 2)])
    slot.hold([image(3)])
    slot.hold([allotted(slot, 4)])
    assert [int(each[0, 0, 0]) for each in received(slot, [SHAPE] * 4)] == [1, 2, 3, 4]
    assert slot.used == 4 * image(0).nbytes


def test_an_array_that_is_held_where_it_was_allotted_is_not_copied() -> None:
    slot = Lender().lend()
    slot.allot((100, 4, 3))
    slot.hold([])  # room enough: the memory is not mapped anew
    room = allotted(slot, 1)
    slot.hold([room])
    room.fill(9)
    assert received(slot, [SHAPE])[0].max() == 9


def test_room_that_a_failed_call_was_allotted_is_used_again() -> None:
    slot = Lender().lend()
    slot.hold([image(1)])
    allotted(slot, 7)
    slot.hold([])
    slot.hold([image(2)])
    assert [int(each[0, 0, 0]) for each in received(slot, [SHAPE, SHAPE])] == [1, 2]


def test_room_that_there_is_no_memory_for_leaves_the_slot_as_it_was() -> None:
    slot = Lender().lend()
    slot.hold([image(1)])
    with pytest.raises(MemoryError):
        slot.allot((1 << 50,))
    slot.hold([])
    slot.hold([image(2)])
    assert [int(each[0, 0, 0]) for each in received(slot, [SHAPE, SHAPE])] == [1, 2]


def test_arrays_stay_where_they_are_when_their_slot_grows() -> None:
    slot = Lender().lend()
    slot.hold([allotted(slot, value) for value in range(20)])
    assert [int(each.min()) for each in received(slot, [SHAPE] * 20)] == list(range(20))


def test_a_slot_that_is_lent_again_is_empty_and_the_largest_free_one_is_lent_first() -> None:
    lender = Lender()
    small, large = lender.lend(), lender.lend()
    small.hold([image(1)])
    large.hold([image(1), image(2)])
    lender.take_back([small.number, large.number])
    again = lender.lend()
    assert (again.number, again.used) == (large.number, 0)
