"""A rollout's journal for commands that only read it: which one, its state, who runs it now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout_kit.cli.arguments import RolloutChoice
from rollout_kit.cli.console import Console
from rollout_kit.cli.options import DEFAULT_STATE, with_state
from rollout_kit.journal.file_journal import FileTape
from rollout_kit.journal.folder_store import SUFFIX
from rollout_kit.journal.owner import is_gone, this_process
from rollout_kit.journal.state_url import open_state
from rollout_kit.journal.store import RolloutEntry, RolloutNotFound, RolloutStore
from rollout_kit.journal.tape import Tape
from rollout_kit.model.events import Record
from rollout_kit.model.state import RolloutState, fold
from rollout_kit.reporters import board
from rollout_kit.reporters.status_view import Status
from rollout_kit.wiring.clock import SystemClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One rollout as its journal tells it."""

    store: RolloutStore
    entry: RolloutEntry
    records: Sequence[Record]
    state: RolloutState


def store(state: str | None, console: Console, clock: SystemClock | None = None) -> RolloutStore:
    """Where journals live: a URL, or a path from the working folder. Raises `BadState`."""
    return open_state(
        state or DEFAULT_STATE,
        console.folder,
        console.environment,
        clock or SystemClock(),
        console.warn,
    )


def find(choice: RolloutChoice, console: Console) -> Found:
    """The rollout that was asked for; without an id the newest unfinished, else the newest.

    Raises:
        RolloutNotFound, JournalLost
    """
    journals, rollout = _chosen(choice, console)
    return open_entry(journals, journals.find(rollout, choice.target))


def tape(choice: RolloutChoice, console: Console) -> Tape:
    """The lines of the journal that was asked for: of a rollout, or a copy at a path (`*.jsonl`).

    Raises:
        RolloutNotFound, JournalLost
    """
    if choice.rollout is not None and choice.rollout.endswith(SUFFIX):
        path = console.folder / choice.rollout
        if not path.is_file():
            raise RolloutNotFound(f"There is no file {path}", "name a journal, or a rollout's id")
        return FileTape(path)
    journals, rollout = _chosen(choice, console)
    entry = journals.find(rollout, choice.target)
    return journals.tape(entry.target, entry.rollout)


def _chosen(choice: RolloutChoice, console: Console) -> tuple[RolloutStore, str | None]:
    """The id that was given; without one the newest unfinished, else the newest."""
    journals = store(choice.state, console)
    if choice.rollout is not None:
        return journals, choice.rollout
    entries = journals.rollouts(choice.target)
    open_ = any(not entry.finished for entry in entries)
    return journals, entries[0].rollout if entries and not open_ else None


def open_entry(journals: RolloutStore, entry: RolloutEntry) -> Found:
    records = journals.load(entry).records
    return Found(store=journals, entry=entry, records=records, state=fold(records))


def status(found: Found, choice: RolloutChoice, console: Console) -> Status:
    """Where it stands, who runs it, what to type next."""
    running = holder(found, console)
    command = "" if running else board.next_command(found.state, found.entry.rollout)
    return Status(
        rollout=found.entry.rollout,
        target=found.entry.target,
        journal=found.entry.place,
        state=found.state,
        running=running,
        next=with_state(command, choice.state or "") if command else "",
    )


def holder(found: Found, console: Console) -> str:
    """Who holds the target's lock for this rollout; empty when certainly nobody does."""
    lock = found.store.lock(found.entry.target).read()
    if lock is None or lock.released or lock.rollout != found.entry.rollout:
        return ""
    if is_gone(lock.owner, this_process(console.environment)):
        return ""
    return lock.owner.label
