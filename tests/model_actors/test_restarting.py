"""An engine that dies is built again, and only the request that kills it is given up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_actors import restarting
from model_actors.engine import EngineError, Limits, Reply, Request, RequestError, StartError
from model_actors.restarting import TOGETHER, Restarting

LIMITS = Limits(1000, 10, 1, (70,), 11.0, False, 1.0)


@dataclass
class World:
    """Engines that die of some requests: every time, or the first times; and what they answered."""

    deadly: frozenset[str] = frozenset()
    deaths_left: int = 0
    answered: list[str] = field(default_factory=list)
    built: int = 0
    closed: int = 0
    broken: bool = False

    def build(self) -> Mortal:
        if self.broken:
            raise StartError("no memory")
        self.built += 1
        return Mortal(self)


class Mortal:
    """An engine that takes everything down with it when it dies."""

    name = "mortal"

    def __init__(self, world: World) -> None:
        self._world = world
        self._died = asyncio.Event()

    def limits(self) -> Limits:
        return LIMITS

    async def close(self) -> None:
        self._world.closed += 1

    async def ask(self, request: Request) -> Reply:
        await asyncio.sleep(0)
        if request.id in self._world.deadly or self._world.deaths_left:
            self._world.deaths_left = max(0, self._world.deaths_left - 1)
            self._died.set()
        for _ in range(3):
            await asyncio.sleep(0)
            if self._died.is_set():
                raise EngineError("died")
        self._world.answered.append(request.id)
        return Reply(finish_reason=request.id)


def asked_of(world: World, names: list[str]) -> list[Reply | BaseException]:
    async def ask_all() -> list[Reply | BaseException]:
        engine = Restarting(world.build)
        requests = [Request(name, "a@1", (), (), False, "", 70) for name in names]
        found = await asyncio.gather(*(engine.ask(each) for each in requests), return_exceptions=True)
        await engine.close()
        return found

    return asyncio.run(asyncio.wait_for(ask_all(), 30))


@given(st.integers(1, 12), st.data())
def test_only_deadly_requests_fail_and_every_other_is_answered(count: int, data: st.DataObject) -> None:
    names = [str(number) for number in range(count)]
    world = World(frozenset(data.draw(st.sets(st.sampled_from(names), max_size=3))))
    found = asked_of(world, names)
    for name, outcome in zip(names, found, strict=True):
        if name in world.deadly:
            assert isinstance(outcome, RequestError)
            assert "the engine died of it" in str(outcome)
        else:
            assert outcome == Reply(finish_reason=name)
    assert world.built == world.closed


@given(st.integers(1, 12), st.integers(0, TOGETHER))
def test_deaths_that_pass_lose_nothing(count: int, deaths: int) -> None:
    world = World(deaths_left=deaths)
    assert asked_of(world, [str(number) for number in range(count)]) == [
        Reply(finish_reason=str(number)) for number in range(count)]
    assert world.built <= 1 + deaths


def test_one_death_restarts_the_engine_once_whoever_notices_it() -> None:
    world = World(deaths_left=1)
    asked_of(world, [str(number) for number in range(10)])
    assert world.built == 2


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarting, "PAUSE_SECONDS", 0.0)


def test_an_engine_that_starts_no_more_says_so(at_once: None) -> None:
    world = World(frozenset("1"))

    async def ask() -> None:
        engine = Restarting(world.build)
        world.broken = True
        await engine.ask(Request("1", "a@1", (), (), False, "", 70))

    with pytest.raises(EngineError, match="does not start again: no memory"):
        asyncio.run(ask())


def test_requests_that_die_with_an_engine_that_starts_no_more_all_end(at_once: None) -> None:
    world = World(frozenset("1"))

    async def ask() -> list[Reply | BaseException]:
        engine = Restarting(world.build)
        world.broken = True
        return await asyncio.gather(*(engine.ask(Request(name, "a@1", (), (), False, "", 70)) for name in "1234"),
                                    return_exceptions=True)

    found = asyncio.run(asyncio.wait_for(ask(), 30))
    assert all(isinstance(each, EngineError) for each in found)


def test_a_request_that_is_cancelled_while_it_waits_to_be_alone_leaves_the_engine_to_others() -> None:
    world = World(frozenset("1"))

    async def ask() -> Reply:
        engine = Restarting(world.build)
        alone = asyncio.ensure_future(engine.ask(Request("1", "a@1", (), (), False, "", 70)))
        async with engine._among_others():
            while not engine._alone:
                await asyncio.sleep(0)
            alone.cancel()
            await asyncio.gather(alone, return_exceptions=True)
        return await engine.ask(Request("2", "a@1", (), (), False, "", 70))

    assert asyncio.run(asyncio.wait_for(ask(), 30)) == Reply(finish_reason="2")
