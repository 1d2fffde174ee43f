"""What every step of one change shares: the CLI, the record beside the stack, who is told what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rollout_kit.drivers.pulumi import previewing, reading, sdk
from rollout_kit.drivers.pulumi.api import Kind, Picture, Recorded, Trouble, UpdateRequest
from rollout_kit.drivers.pulumi.cli import Cli
from rollout_kit.drivers.pulumi.environment import Mask
from rollout_kit.drivers.pulumi.events import Event, Stream, progress
from rollout_kit.drivers.pulumi.marks import Marks
from rollout_kit.drivers.pulumi.objects import Objects

READ_WITHIN_S = 120.0
"""How long a look, a preview or a refresh may take, or the operation's own time where that is longer."""


class Unsettled(Exception):
    """It cannot go on; `trouble` says what it is."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


@dataclass(slots=True, kw_only=True)
class Session:
    """One change under way. `note(step, what)`: on disk before the step is taken."""

    request: UpdateRequest
    objects: Objects
    say: Callable[[str], None]
    note: Callable[[str, str], None]
    cli: Cli
    version: str
    marks: Marks
    mask: Mask
    stopping: bool = False
    told: list[str] = field(default_factory=list)
    _base: Recorded | None = None

    @classmethod
    def begin(
        cls,
        request: UpdateRequest,
        objects: Objects,
        say: Callable[[str], None],
        note: Callable[[str, str], None],
    ) -> Session:
        """Raises an OutsideError: there is no CLI, or none that will do."""
        # A program may be compiled first, and a stack of many resources takes its time to be looked at.
        cli = reading.cli_of(request.stack, timeout_s=max(READ_WITHIN_S, request.within_s))
        return cls(
            request=request,
            objects=objects,
            say=say,
            note=note,
            cli=cli,
            version=reading.version(request.stack, cli),
            marks=Marks(Path(request.stack.folder)),
            mask=reading.mask_of(cli),
        )

    def stop(self) -> None:
        """Somebody asks for an end: what runs is finished, nothing more is begun."""
        self.stopping = True
        self.cli.interrupt()

    def tell(self, sentence: str) -> None:
        """Progress that belongs into the result, too."""
        if sentence:
            self.told.append(sentence)
            self.say(sentence)

    def look(self, folder: str, why: str) -> Picture:
        """One call: what is recorded, and what an interrupted update has left in it."""
        self.note(why, "stack export")
        return reading.export(self.request.stack, self.cli, folder)

    def base(self) -> Recorded:
        """One call, once: the settings of the last recorded update."""
        if self._base is None:
            self.note("settings", "config refresh")
            self._base = reading.last_settings(self.request.stack, self.cli)
        return self._base

    def command(self, *, reads: bool) -> sdk.Command:
        """What writes is on our record as soon as it runs. Raises Unsettled: an end was asked for."""
        if self.stopping:
            raise Unsettled(stopped())
        self.cli.on_started = None if reads else self.marks.started
        name = None if reads else self.marks.sending
        return sdk.Command(self.cli, self.version, reads=reads, name=name)

    def stream(self, record: Callable[[Event], None] | None = None) -> Stream:
        """Tells everybody how far it is; `record` first, which keeps what a crash would need."""

        def on_event(event: Event) -> None:
            if record is not None:
                record(event)
            if sentence := progress(event):
                self.say(sentence)

        return Stream(mask=self.mask.text, on_event=on_event)

    def place(self, folder: str, file: Path, adopt: Mapping[str, str]) -> sdk.Workplace:
        place = previewing.workplace(self.request.stack, folder, file)
        return replace(place, within_s=self.request.within_s, adopt=adopt)


def stopped() -> Trouble:
    return Trouble(
        kind=Kind.UNAVAILABLE,
        name="stopped",
        message="the change was asked to stop before its update was sent",
        why="Nothing was sent.",
        hint="Resume when it is to go on.",
    )
