"""The dispatcher's promises, on its own event loop, without Ray."""

from __future__ import annotations

import asyncio

from raysearch.errors import FailureReason
from raysearch.pipeline.leg import Leg
from raysearch.workers.dispatcher import Dispatcher, Work

WORK = Work(7, {"seed": 1})


def run(scenario) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_a_group_takes_a_trial_and_its_result_comes_back() -> None:
    async def scenario() -> None:
        dispatcher = Dispatcher(["a"])
        epoch = await dispatcher.join("a")
        waiting = asyncio.create_task(dispatcher.submit(WORK))
        assert await dispatcher.take("a", epoch, 5) == WORK
        assert not waiting.done()
        await dispatcher.finish("a", epoch, 7, b"outcome")
        await waiting
        result = await dispatcher.collect(7)
        assert (result.attempt, result.reason) == (b"outcome", None)

    run(scenario)


def test_no_result_is_given_before_all_of_tunes_actors_are_up() -> None:
    async def scenario() -> None:
        dispatcher = Dispatcher(["a"])
        epoch = await dispatcher.join("a")
        await dispatcher.present()
        waiting = asyncio.create_task(dispatcher.submit(WORK, 2))
        await dispatcher.take("a", epoch, 5)
        await dispatcher.finish("a", epoch, 7, b"outcome")
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await dispatcher.present()
        assert await waiting

    run(scenario)


def test_stopping_waits_for_no_actor() -> None:
    async def scenario() -> None:
        dispatcher = Dispatcher(["a"])
        await dispatcher.join("a")
        waiting = asyncio.create_task(dispatcher.submit(WORK, 2))
        await asyncio.sleep(0)
        await dispatcher.stop()
        assert await waiting
        assert (await dispatcher.collect(7)).reason == FailureReason.STOPPED

    run(scenario)


def test_time_outs_are_counted_apart_from_other_losses_of_a_group() -> None:
    async def scenario() -> None:
        dispatcher = Dispatcher(["a"])
        epoch = await dispatcher.join("a")
        slow = Work(7, {}, Leg(timeout_s=0.01))
        waiting = asyncio.create_task(dispatcher.submit(slow))
        assert await dispatcher.take("a", epoch, 5) == slow
        assert await dispatcher.progress("a", epoch, "unlearning", 1, 9, {}) is False
        await asyncio.sleep(0.05)
        assert await dispatcher.time_outs("a") == 1
        await waiting
        assert (await dispatcher.collect(7)).reason == FailureReason.TIMED_OUT
        other = asyncio.create_task(dispatcher.submit(Work(8, {})))
        await dispatcher.take("a", await dispatcher.join("a"), 5)
        await dispatcher.join("a")
        assert await dispatcher.time_outs("a") == 1
        await dispatcher.stop()
        assert await dispatcher.progress("a", 3, "unlearning", 1, 9, {}) is True
        await other

    run(scenario)


def test_an_idle_group_hears_nothing_after_the_time_out() -> None:
    async def scenario() -> None:
        dispatcher = Dispatcher(["a"])
        epoch = await dispatcher.join("a")
        assert await dispatcher.take("a", epoch, 0.01) is None
        assert not await dispatcher.stopping()

    run(scenario)


def test_a_trial_whose_group_is_lost_goes_to_another_and_an_old_result_is_dropped() -> None:
    async def scenario() -> None:
        dispatcher = Dispatcher(["a", "b"])
        a, b = await dispatcher.join("a"), await dispatcher.join("b")
        waiting = asyncio.create_task(dispatcher.submit(WORK))
        assert await dispatcher.take("a", a, 5) == WORK
        assert await dispatcher.join("a") == a + 1
        assert await dispatcher.take("b", b, 5) == WORK
        await dispatcher.finish("a", a, 7, b"from before the restart")
        assert not waiting.done()
        await dispatcher.finish("b", b, 7, b"right")
        await waiting
        assert (await dispatcher.collect(7)).attempt == b"right"

    run(scenario)


def test_a_trial_that_loses_two_groups_fails_with_its_reason() -> None:
    async def scenario() -> None:
        dispatcher = Dispatcher(["a"])
        epoch = await dispatcher.join("a")
        waiting = asyncio.create_task(dispatcher.submit(WORK))
        for _ in range(2):
            assert await dispatcher.take("a", epoch, 5) == WORK
            epoch = await dispatcher.join("a")
        await waiting
        result = await dispatcher.collect(7)
        assert result.attempt is None
        assert result.reason is FailureReason.LOST_WORKER

    run(scenario)


def test_a_dead_groups_old_request_takes_no_trial() -> None:
    async def scenario() -> None:
        dispatcher = Dispatcher(["a"])
        old = await dispatcher.join("a")
        pending = asyncio.create_task(dispatcher.take("a", old, 5))
        await asyncio.sleep(0)
        new = await dispatcher.join("a")
        waiting = asyncio.create_task(dispatcher.submit(WORK))
        assert await pending is None
        assert await dispatcher.take("a", new, 5) == WORK
        await dispatcher.finish("a", new, 7, b"x")
        await waiting

    run(scenario)


def test_when_the_last_group_is_gone_waiting_and_later_trials_fail() -> None:
    async def scenario() -> None:
        dispatcher = Dispatcher(["a"])
        await dispatcher.join("a")
        waiting = asyncio.create_task(dispatcher.submit(WORK))
        await asyncio.sleep(0)
        await dispatcher.leave("a", "its machine is gone")
        await waiting
        await dispatcher.submit(Work(8, {}))
        for number in (7, 8):
            result = await dispatcher.collect(number)
            assert result.reason is FailureReason.NO_WORKERS
            assert "no worker group is left" in str(result.detail)

    run(scenario)


def test_stopping_fails_what_waits_and_ends_the_groups() -> None:
    async def scenario() -> None:
        dispatcher = Dispatcher(["a"])
        epoch = await dispatcher.join("a")
        waiting = asyncio.create_task(dispatcher.submit(WORK))
        await asyncio.sleep(0)
        await dispatcher.stop()
        await waiting
        assert (await dispatcher.collect(7)).reason is FailureReason.STOPPED
        assert await dispatcher.take("a", epoch, 5) is None
        assert await dispatcher.stopping()

    run(scenario)
