"""Looks at what an update waits for, so that it ends when that cannot come any more.

An engine waits for a Job until its time is up, and then says that it did not get ready. The cluster
knows earlier, and better, why: an image that is not there, a Secret that is missing, an exit code.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rollout_kit.drivers.pulumi.api import Kind, Trouble
from rollout_kit.drivers.pulumi.events import Began, Ended, Event
from rollout_kit.drivers.pulumi.marks import Object
from rollout_kit.drivers.pulumi.objects import Objects, Obstacle
from rollout_kit.ports.errors import OutsideError, Refused

LOOK_EVERY_S = 1.0
LAST_WORDS_S = 20.0
"""How long what a failed Job has to say is asked for: under load one look may get no answer."""
_JOB = "Job"


@dataclass(slots=True, kw_only=True)
class Watch:
    """What is being made and waited for now. `obstacle`: what was found last to be in the way of it.

    `say` gets each finding once; `give_up` is called once, when one of them is for good.
    """

    objects: Objects
    say: Callable[[str], None]
    give_up: Callable[[], None]
    obstacle: Obstacle | None = None
    _awaited: dict[str, Object] = field(default_factory=dict)
    _failed: list[Object] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def heard(self, event: Event) -> None:
        """An event of the update."""
        match event:
            case Began(step=step, custom=True) if event.facts.get("kind") == _JOB:
                self._awaited[step.urn] = Object(urn=step.urn, type=event.type, facts=event.facts)
            case Ended(step=step) if (item := self._awaited.pop(step.urn, None)) is not None:
                if event.failed or event.not_ready:
                    self._failed.append(item)
                else:
                    self.obstacle = None  # what was in its way is not any more
            case _:
                pass

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Looks every second, as long as this lasts; and once more at what has failed by then."""
        thread = threading.Thread(target=self._look_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            until_s = time.monotonic() + LAST_WORDS_S
            for item in self._failed:
                while not self._look_at(item) and time.monotonic() < until_s:
                    time.sleep(LOOK_EVERY_S)  # nothing else is under way: the update is over

    def explained(self, trouble: Trouble) -> Trouble:
        """What the cluster says is more than what an engine does: that it waited in vain."""
        if self.obstacle is None:
            return trouble
        return replace(
            trouble,
            kind=Kind.UNAVAILABLE,
            name="not-ready",
            message=self.obstacle.text,
            why="",
            hint="",
        )

    def _look_on(self) -> None:
        given_up = False
        while not self._over.wait(LOOK_EVERY_S):
            for item in tuple(self._awaited.values()):
                self._look_at(item)
            if self.obstacle is not None and self.obstacle.for_good and not given_up:
                given_up = True
                self.give_up()

    def _look_at(self, item: Object) -> bool:
        """Whether there was an answer, or there will be none."""
        try:
            found = self.objects.obstacle(item)
        except Refused:
            return True
        except OutsideError:  # the engine goes on waiting, and so do we
            return False
        if found is not None and found != self.obstacle:
            self.obstacle = found
            self.say(found.text)
        return True
