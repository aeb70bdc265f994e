"""Requests of many clients share batches, and nobody pays for another's mistake."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from tomas.domain.plan import Plan
from tomas.domain.request import Request
from tomas.errors import UserError
from tomas.serving.batcher import Batcher, QueueFull

Task = asyncio.Task[list[Plan]]


class Slow:
    """Plans only when it is let, and remembers its batches."""

    def __init__(self) -> None:
        self.gate, self.busy = threading.Event(), threading.Event()
        self.batches: list[list[str]] = []

    def __call__(self, requests: Sequence[Request], explain: bool) -> list[Plan]:
        self.busy.set()
        assert self.gate.wait(10)
        texts = [request.text for request in requests]
        self.batches.append(texts)
        if "bad" in texts:
            raise UserError("bad is bad")
        return [Plan(status="no_tool", text=text, explanation=str(explain)) for text in texts]


def requests(*texts: str) -> list[Request]:
    return [Request(text=text) for text in texts]


async def settled(batcher: Batcher, waiting: int) -> None:
    for _ in range(200):
        if batcher.waiting == waiting:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"{batcher.waiting} wait")


@asynccontextmanager
async def planning_first(max_batch: int, max_queue: int) -> AsyncIterator[tuple[Slow, Batcher, Task]]:
    """A batcher whose planner holds a request named first until its gate is opened."""
    slow = Slow()
    batcher = Batcher(slow, max_batch=max_batch, max_queue=max_queue)
    batcher.start()
    first = asyncio.create_task(batcher.plan(requests("first"), False))
    assert await asyncio.to_thread(slow.busy.wait, 5)
    yield slow, batcher, first
    assert [plan.text for plan in await first] == ["first"]
    await batcher.stop()


def test_what_gathers_during_a_batch_is_the_next_one() -> None:
    async def main() -> None:
        async with planning_first(max_batch=3, max_queue=10) as (slow, batcher, first):
            calls = [first, *(asyncio.create_task(batcher.plan(requests(text), False)) for text in "abcd")]
            await settled(batcher, 4)
            slow.gate.set()
            answers = await asyncio.gather(*calls)
            assert [plans[0].text for plans in answers] == ["first", *"abcd"]
            assert slow.batches == [["first"], ["a", "b", "c"], ["d"]]

    asyncio.run(main())


def test_a_request_that_cannot_be_planned_harms_no_other() -> None:
    async def main() -> None:
        async with planning_first(max_batch=8, max_queue=10) as (slow, batcher, _):
            calls = [asyncio.create_task(batcher.plan(requests(text), False)) for text in ("a", "bad", "c")]
            await settled(batcher, 3)
            slow.gate.set()
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(answers[1], UserError)
            assert [answers[place][0].text for place in (0, 2)] == ["a", "c"]

    asyncio.run(main())


def test_explained_plans_are_not_made_together_with_plain_ones() -> None:
    async def main() -> None:
        async with planning_first(max_batch=8, max_queue=10) as (slow, batcher, _):
            both = [asyncio.create_task(batcher.plan(requests(text), text == "why")) for text in ("a", "why", "b")]
            await settled(batcher, 3)
            slow.gate.set()
            plain, why, other = await asyncio.gather(*both)
            assert (plain[0].explanation, why[0].explanation, other[0].explanation) == ("False", "True", "False")

    asyncio.run(main())


def test_more_than_may_wait_are_turned_away_whole() -> None:
    async def main() -> None:
        async with planning_first(max_batch=1, max_queue=3) as (slow, batcher, _):
            waiting = asyncio.create_task(batcher.plan(requests("a", "b"), False))
            await settled(batcher, 2)
            with pytest.raises(QueueFull):
                await batcher.plan(requests("c", "d"), False)
            assert batcher.waiting == 2
            slow.gate.set()
            assert [plan.text for plan in await waiting] == ["a", "b"]

    asyncio.run(main())


def test_stopping_answers_what_waits_first() -> None:
    async def main() -> None:
        slow = Slow()
        batcher = Batcher(slow, max_batch=1, max_queue=10)
        batcher.start()
        calls = [asyncio.create_task(batcher.plan(requests(text), False)) for text in "abc"]
        await asyncio.sleep(0.05)
        slow.gate.set()
        await batcher.stop()
        assert [(await call)[0].text for call in calls] == list("abc")

    asyncio.run(main())


def test_a_client_that_has_gone_stops_nobody() -> None:
    async def main() -> None:
        async with planning_first(max_batch=8, max_queue=10) as (slow, batcher, _):
            gone, stays = (asyncio.create_task(batcher.plan(requests(text), False)) for text in ("gone", "stays"))
            await settled(batcher, 2)
            gone.cancel()
            slow.gate.set()
            assert (await stays)[0].text == "stays"

    asyncio.run(main())
