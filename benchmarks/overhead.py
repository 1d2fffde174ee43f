"""What an operation costs beside the world: looking, deciding, and a journal that is on disk.

The product's executor, engine adapter and file journal over a fleet in memory whose nodes are up at
once, by the real clock. Time inside the fleet and the emulated servers is the world's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from cProfile import Profile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import profiles
from canned import NAMES, plan
from figures import Figure

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.executor import Executor
from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.file_journal import FileJournal
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.model.events import (
    Attached,
    OperationAwaited,
    OperationCompleted,
    OperationIntended,
    Progress,
    Record,
)
from rollout_kit.simulation.clock import START, VirtualClock
from rollout_kit.simulation.world import World

AT_MOST_MS = 5.0


class RunningClock(VirtualClock):
    """The world's clock from now on: it runs by itself, and sleeping takes as long as it says."""

    def __init__(self, elapsed_s: float) -> None:
        self._elapsed_before_s = elapsed_s
        self._begun_s = time.monotonic()
        self.slept_s = 0.0
        self.stop = False
        self.signal = None

    @property
    def elapsed_s(self) -> float:  # type: ignore[override]
        return self._elapsed_before_s + time.monotonic() - self._begun_s

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed_s)

    def sleep(self, seconds: float) -> None:
        begun = time.monotonic()
        time.sleep(seconds)
        self.slept_s += time.monotonic() - begun


class Stopwatch:
    """Sums up the time inside what it wraps; a call within a call counts once."""

    def __init__(self) -> None:
        self.total_s = 0.0
        self._depth = 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: object, **named: object) -> object:
            self._depth += 1
            begun = time.perf_counter()
            try:
                return call(*given, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.total_s += time.perf_counter() - begun

        return timed


class Laps:
    """Implements `ports.reporter.Reporter`: what each operation took, and how much of it was the world."""

    def __init__(self, world: Stopwatch, clock: RunningClock) -> None:
        self.own_ms: list[float] = []
        self.awake_ms: list[float] = []
        self._world, self._clock = world, clock
        self._last = self._reading()

    def record(self, record: Record) -> None:
        """An operation begins where the one before it ended: looks before the intent are its own."""
        if isinstance(record.event, OperationCompleted):
            now = self._reading()
            took, world, slept = (b - a for a, b in zip(self._last, now, strict=True))
            self.own_ms.append((took - world) * 1000.0)
            self.awake_ms.append((took - world - slept) * 1000.0)
            self._last = now
        elif not isinstance(record.event, OperationIntended | OperationAwaited):
            self._last = self._reading()

    def progress(self, progress: Progress) -> None:
        """A sign of life costs nothing here."""

    def _reading(self) -> tuple[float, float, float]:
        return time.perf_counter(), self._world.total_s, self._clock.slept_s


def bench(repeats: int) -> list[Figure]:
    """The median over all operations of some cutovers of ten nodes."""
    own: list[float] = []
    awake: list[float] = []
    for _ in range(repeats):
        laps = _cut_over(None)
        own += laps.own_ms
        awake += laps.awake_ms
    figure = Figure(
        bench="own overhead",
        name="per operation, journal on disk (median)",
        measured=median(own),
        unit="ms",
        at_most=AT_MOST_MS,
        note=f"{len(own)} operations; without the pauses between looks {median(awake):.1f} ms",
    )
    if figure.missed:
        profile = Profile()
        _cut_over(profile)
        figure = profiles.explain(figure, profile)
    return [figure]


def _cut_over(profile: Profile | None) -> Laps:
    with TemporaryDirectory(prefix="rollout-kit-bench-") as folder:
        executor, laps = _executor(Path(folder))
        if profile is not None:
            profile.enable()
        executor.run()
        if profile is not None:
            profile.disable()
        assert executor.state.finished is not None, executor.state.hold
        assert executor.state.finished.outcome.value == "succeeded", executor.state.finished
        return laps


def _executor(folder: Path) -> tuple[Executor, Laps]:
    world = World(Generation.V2, nodes=len(NAMES))
    world.load = False
    for name, image in world.images.items():
        world.images[name] = replace(image, starts_in_s=0.0)
    clock = RunningClock(world.clock.elapsed_s)
    world.clock = world.fleet.clock = clock
    document = world.read(plan())
    prepared = world.executor(document)
    stopwatch = Stopwatch()
    _time_world(world, stopwatch)
    laps = Laps(stopwatch, clock)
    journal = FileJournal(
        folder / "journal.jsonl",
        clock=clock,
        actor="bench",
        lock=MemoryLock(),
        attendance=Attendance(clock),
        warn=print,
    )
    readers, writers = world.outside(document)
    shell = replace(
        prepared.shell, journal=journal, readers=readers, writers=writers, reporters=(laps,)
    )
    assert prepared.state.started is not None
    journal.read()
    journal.append(prepared.state.started)
    journal.append(Attached(host="h", boot_id="b", pid_namespace="n", pid=1, command="apply"))
    return Executor(shell), laps


def _time_world(world: World, stopwatch: Stopwatch) -> None:
    """Everything that the product calls of the fleet, and every request."""
    world.exchange = stopwatch.around(world.exchange)  # type: ignore[method-assign]
    for name in dir(type(world.fleet)):
        if not name.startswith("_") and callable(getattr(world.fleet, name)):
            setattr(world.fleet, name, stopwatch.around(getattr(world.fleet, name)))
