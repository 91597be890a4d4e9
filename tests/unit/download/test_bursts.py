"""download/bursts.py: what threads post runs on the loop, in order, and a burst ends once."""

from __future__ import annotations

import asyncio
import threading

from distribute_io.download.bursts import Bursts


def post_from_a_thread(bursts: Bursts, seen: list[int], count: int) -> None:
    def post_all() -> None:
        for number in range(count):
            bursts.post(lambda number=number: seen.append(number))  # type: ignore[misc]  # mypy sees no such lambda

    thread = threading.Thread(target=post_all)
    thread.start()
    thread.join()


def test_posts_run_in_order_and_end_in_one_burst() -> None:
    seen: list[int] = []
    over = 0

    async def body() -> None:
        nonlocal over
        ended = asyncio.Event()

        def on_over() -> None:
            nonlocal over
            over += 1
            assert not bursts.running
            ended.set()

        bursts = Bursts(on_over=on_over)
        post_from_a_thread(bursts, seen, 100)
        assert seen == []  # nothing runs in the thread that posts
        await ended.wait()
        assert (seen, over) == (list(range(100)), 1)
        ended.clear()
        post_from_a_thread(bursts, seen, 1)  # while the next look is due already
        await ended.wait()
        assert (seen[-1], over) == (0, 2)
        bursts.close()

    asyncio.run(body())


def test_after_close_no_look_is_due_and_a_closed_loop_is_no_error() -> None:
    seen: list[int] = []

    async def body() -> Bursts:
        bursts = Bursts(on_over=lambda: None)
        bursts.close()
        return bursts

    post_from_a_thread(asyncio.run(body()), seen, 2)
    assert seen == []
