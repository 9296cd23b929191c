"""The virtual loop: jumps, order, deadlock."""

from __future__ import annotations

import asyncio

import pytest

from packbench_sim.loop import DeadlockError, VirtualClock, run_virtual

S = 1_000_000_000


def test_time_jumps_to_the_deadline_and_is_exact() -> None:
    async def main(clock: VirtualClock) -> list[int]:
        seen: list[int] = []
        for t_ns in (1, 7 * S + 3, 86_400 * S):
            await clock.sleep_until(t_ns)
            seen.append(clock.now_ns())
        return seen

    assert run_virtual(main) == [1, 7 * S + 3, 86_400 * S]


def test_equal_deadlines_fire_in_the_order_they_were_set() -> None:
    async def main(clock: VirtualClock) -> list[int]:
        order: list[int] = []

        async def sleeper(number: int) -> None:
            await clock.sleep_until(5 * S)
            order.append(number)

        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(sleeper(number)) for number in range(20)]
        await asyncio.sleep(0)
        loop.call_later(5, order.append, 99)
        await asyncio.gather(*tasks)
        return order

    assert run_virtual(main) == [*range(20), 99]


def test_a_deadline_in_the_past_does_not_move_time_back() -> None:
    async def main(clock: VirtualClock) -> tuple[int, int]:
        await clock.sleep_until(3 * S)
        before = clock.now_ns()
        await clock.sleep_until(1 * S)
        return before, clock.now_ns()

    assert run_virtual(main) == (3 * S, 3 * S)


def test_waiting_for_ever_is_a_deadlock_error() -> None:
    async def main(clock: VirtualClock) -> None:
        await clock.sleep_until(S)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlockError):
        run_virtual(main)


def test_a_cancelled_sleeper_and_a_cancelled_timer_do_nothing() -> None:
    async def main(clock: VirtualClock) -> list[str]:
        seen: list[str] = []
        loop = asyncio.get_running_loop()
        loop.call_later(1, seen.append, "kept")
        loop.call_later(1, seen.append, "dropped").cancel()
        task = asyncio.create_task(clock.sleep_until(2 * S))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await clock.sleep_until(3 * S)
        return seen

    assert run_virtual(main) == ["kept"]


def test_asyncio_timeouts_work_in_virtual_time() -> None:
    async def main(clock: VirtualClock) -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await clock.sleep_until(3600 * S)
        return clock.now_ns()

    assert run_virtual(main) == 60 * S


def test_threads_are_refused() -> None:
    async def main(_clock: VirtualClock) -> None:
        await asyncio.to_thread(print)

    with pytest.raises(RuntimeError, match="virtual"):
        run_virtual(main)
