"""Requests of many clients, planned together: while one batch is planned, the next one gathers."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from tomas.domain.plan import Plan
from tomas.domain.request import Request

T = TypeVar("T")
PlanBatch = Callable[[Sequence[Request], bool], list[Plan]]
LINGER_SHARE = 0.05
"""Share of a batch's time that is waited for the clients it answered to ask again."""
MOST_LINGER_S = 0.02


class QueueFull(Exception):
    """More requests wait than are allowed to."""


@dataclass(eq=False)
class _Waiting:
    request: Request
    explain: bool
    answer: "asyncio.Future[Plan]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batcher:
    """Plans what has gathered, as one batch, in one thread; the event loop stays free."""

    def __init__(self, plan_batch: PlanBatch, max_batch: int, max_queue: int) -> None:
        self._plan_batch, self._max_batch, self._max_queue = plan_batch, max_batch, max_queue
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="planning")
        self._worker: asyncio.Task[None] | None = None
        self.on_batch: Callable[[int], object] = lambda _size: None

    def start(self) -> None:
        """Begin to plan."""
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Plan what still waits, then end."""
        while self._queue:
            await asyncio.sleep(0.01)
        if self._worker is not None:
            self._worker.cancel()
        await asyncio.to_thread(self._thread.shutdown)

    @property
    def waiting(self) -> int:
        """Requests that wait for a batch."""
        return len(self._queue)

    async def plan(self, requests: Sequence[Request], explain: bool) -> list[Plan]:
        """The plans of these requests, in order."""
        if len(self._queue) + len(requests) > self._max_queue:
            raise QueueFull(f"{len(self._queue)} requests wait already; try again in a moment")
        waiting = [_Waiting(request, explain) for request in requests]
        self._queue.extend(waiting)
        self._arrived.set()
        return list(await asyncio.gather(*(one.answer for one in waiting)))

    async def run(self, work: Callable[[], T]) -> T:
        """Do other work of the planner's between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _work(self) -> None:
        linger_s = 0.0
        while True:
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
                linger_s = 0.0
            if linger_s and len(self._queue) < self._max_batch:
                await asyncio.sleep(linger_s)
            began = time.monotonic()
            await self._answer(self._take())
            linger_s = min(MOST_LINGER_S, LINGER_SHARE * (time.monotonic() - began))

    def _take(self) -> list[_Waiting]:
        """The longest waiting, as many as a batch holds; all with or all without explanations."""
        batch = [self._queue.popleft()]
        while self._queue and len(batch) < self._max_batch and self._queue[0].explain == batch[0].explain:
            batch.append(self._queue.popleft())
        return batch

    async def _answer(self, batch: list[_Waiting]) -> None:
        self.on_batch(len(batch))
        try:
            plans = await self.run(lambda: self._plan_batch([one.request for one in batch], batch[0].explain))
        except Exception as error:
            if len(batch) == 1:
                if not batch[0].answer.done():
                    batch[0].answer.set_exception(error)
                return
            for one in batch:  # one of them is at fault: the others get their plans
                await self._answer([one])
            return
        for one, plan in zip(batch, plans, strict=True):
            if not one.answer.done():  # cancelled: its client has gone
                one.answer.set_result(plan)
