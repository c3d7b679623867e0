"""Starts an engine again that died, asks again what it was asked, and finds the request that kills it.

For engines whose model runs in another process, so that its death leaves this one whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable

from model_actors.engine import Engine, EngineError, Limits, Reply, Request, RequestError

TOGETHER = 2
"""Times that a request is asked beside others; when the engine has died each time, it is asked alone."""

STARTS, PAUSE_SECONDS = 3, 10.0
"""Tries to start a dead engine again, and the seconds between them."""


class Restarting:
    """An engine that is built again when it dies. A request that kills it alone is at fault, and no other is lost."""

    def __init__(self, build: Callable[[], Engine]) -> None:
        self._build = build
        self._engine = build()
        self.name = self._engine.name
        self._limits = self._engine.limits()
        self._died = asyncio.Event()
        self._broken: EngineError | None = None
        self._restart = asyncio.Lock()
        self._gate = asyncio.Condition()
        self._asking, self._alone = 0, False

    def limits(self) -> Limits:
        """What a request may hold."""
        return self._limits

    async def close(self) -> None:
        """Release the engine."""
        await self._engine.close()

    async def ask(self, request: Request) -> Reply:
        """The engine's reply. Raises RequestError for a request that kills it; EngineError where it starts no more."""
        for _ in range(TOGETHER):
            async with self._among_others():
                reply = await self._once(request)
            if reply is not None:
                return reply
        async with self._by_itself():
            reply = await self._once(request)
        if reply is None:
            raise RequestError("the engine died of it each time, at last with nothing else under way; look at the "
                               "page or the questions, and at the engine's log", "crash")
        return reply

    async def _once(self, request: Request) -> Reply | None:
        """One try; None where the engine died, and is alive again."""
        async with self._restart:  # who comes while it is started again has not tried yet
            died, engine = self._died, self._engine
        asked = asyncio.ensure_future(engine.ask(request))
        noticed = asyncio.ensure_future(died.wait())
        try:
            await asyncio.wait([asked, noticed], return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return asked.result()
        except EngineError as error:
            if not died.is_set():
                print(f"the engine died and is started again: {error}", file=sys.stderr, flush=True)
        finally:
            asked.cancel()  # what is under way on an engine that others found dead may never end
            noticed.cancel()
        async with self._restart:
            if not died.is_set():
                died.set()
                await engine.close()
                await self._start_again()
            if self._broken is not None:
                raise self._broken
        return None

    async def _start_again(self) -> None:
        for left in reversed(range(STARTS)):
            try:
                self._engine = await asyncio.to_thread(self._build)
                self._died = asyncio.Event()
                return
            except Exception as error:  # whatever it is, it is no request's fault
                if not left:
                    self._broken = EngineError(f"it does not start again: {error}")
                    return
            await asyncio.sleep(PAUSE_SECONDS)  # what the dead one held may not be free yet

    @contextlib.asynccontextmanager
    async def _among_others(self) -> AsyncIterator[None]:
        async with self._gate:
            await self._gate.wait_for(lambda: not self._alone)
            self._asking += 1
        try:
            yield
        finally:
            async with self._gate:
                self._asking -= 1
                self._gate.notify_all()

    @contextlib.asynccontextmanager
    async def _by_itself(self) -> AsyncIterator[None]:
        async with self._gate:
            await self._gate.wait_for(lambda: not self._alone)
            self._alone = True
        try:
            async with self._gate:
                await self._gate.wait_for(lambda: not self._asking)
            yield
        finally:
            async with self._gate:
                self._alone = False
                self._gate.notify_all()
