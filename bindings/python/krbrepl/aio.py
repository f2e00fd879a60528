"""Nodes in an asyncio program.

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(krbrepl.aio.run(node))

The callbacks of the node are called from the event loop, so they must not block it; they may create tasks."""

from __future__ import annotations

import asyncio
import functools

from ._structs import Path
from .node import Node
from .status import Answer, Waited, Waiting
from .status import fetch_status as _fetch_status
from .values import Level


async def run(node: Node) -> None:
    """Drives a node that was started, until node.quit(); raises what a callback raised, or the error with which the
    node stopped by itself. When this is cancelled the node is not driven any more, and not stopped either."""
    driver = _Driver(node)
    try:
        await driver.over
    finally:
        driver.detach()
    if driver.failure is not None:
        raise driver.failure


class _Driver:
    """Calls process when the descriptor is readable, and when the time has come."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = self.loop.create_future()
        self.failure: BaseException | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.fd = node.fileno()
        self.loop.add_reader(self.fd, self.turn)
        self.timer = self.loop.call_later(0, self.turn)

    def turn(self) -> None:
        if self.over.done():
            return
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        try:
            if self.node._quit:
                self.node._quit = False
                self.over.set_result(None)
                return
            self.node.process()
            delay = self.node.timeout
        except BaseException as exc:
            # Not as the exception of the future, which takes no StopIteration.
            self.failure = exc
            self.over.set_result(None)
            return
        if delay is not None:
            self.timer = self.loop.call_later(delay, self.turn)

    def detach(self) -> None:
        self.loop.remove_reader(self.fd)
        if self.timer is not None:
            self.timer.cancel()


async def fetch_status(dir: Path, *, timeout: float = 5.0) -> Answer | None:
    """krbrepl.fetch_status in a thread. The node that is asked may be one of this very loop."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, functools.partial(_fetch_status, dir, timeout=timeout))


async def wait(dir: Path, seq: int = 0, *, replicas: int = 1, level: Level = Level.DURABLE,
               timeout: float = 0.0) -> Waited:
    """krbrepl.wait, slice by slice in a thread, so that it can be cancelled. The node that is asked may be one of this
    very loop."""
    loop = asyncio.get_running_loop()
    waiting = Waiting(dir, seq, replicas, level, timeout)
    while True:
        answer = await loop.run_in_executor(None, waiting.look)
        if answer is not None:
            return answer
