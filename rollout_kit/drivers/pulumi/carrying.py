"""One change of a stack, from looking at it to having seen it done.

look -> mend what an earlier end left -> settings -> preview -> compare with what is allowed -> look
once more -> update those resources alone -> look whether it is so. A process of the CLI costs 0.2 to
0.4 s before it does anything, so each function says how many it starts, and what for; after a good
end the whole takes five: export, preview, export, up, export.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from rollout_kit.drivers.pulumi import (
    allowing,
    failures,
    mending,
    program_files,
    reading,
    sdk,
    settings,
)
from rollout_kit.drivers.pulumi.api import Kind, Outcome, Picture, Step, Trouble, UpdateResult
from rollout_kit.drivers.pulumi.events import Began, Ended, Event, Stream, name_of
from rollout_kit.drivers.pulumi.marks import Object
from rollout_kit.drivers.pulumi.recovering import Settled
from rollout_kit.drivers.pulumi.session import Session, Unsettled
from rollout_kit.drivers.pulumi.watching import Watch
from rollout_kit.ports.errors import OutsideError

_GRACE_S = 30.0
_LOOKERS_PAUSE_S = 2.0
_LOOKERS_TRIES = 3
"""Who only asks for the locks of a bucket holds the stack for a moment: `unlock` and `doctor` do."""
_MAKES = frozenset({"create", "create-replacement", "import", "import-replacement"})
_MAY_HAVE_BEEN_SENT = frozenset({"killed", "aborted", "no-end", "unknown", "snapshot-not-saved"})


def carry_out(session: Session) -> UpdateResult:
    """Do it. What goes wrong is in the result."""
    try:
        with reading.place(session.request.stack, "") as (folder, file):
            return _carry_out(session, folder, file)
    except Unsettled as stop:
        return _failed(session, stop.trouble)
    except OutsideError as error:
        return _failed(session, failures.of_error(error))


def _carry_out(session: Session, folder: str, file: Path) -> UpdateResult:
    mark = session.marks.found()
    mending.make_way(session, mark)
    picture = session.look(folder, "look")
    settled = mending.recover(session, folder, mark, picture)
    recorded = _recorded(session, picture, settled)
    text = settings.merged(recorded, session.request.wanted)
    file.write_text(text, encoding="utf-8")
    _expect_program(session)
    previewed, settled = _preview(session, folder, file, settled)
    steps = tuple(previewed.steps.values())
    if outside := allowing.beyond(steps, session.request.may):
        return _refused(session, steps, outside)
    mending.remove_orphans(session, settled, steps)
    if not steps and settings.same_configuration(recorded, text):
        return _done(session, session.look(folder, "verify"), (), previewed.outputs, text)
    for tries_left in reversed(range(_LOOKERS_TRIES)):
        if settled is mending.NOTHING:
            _expect_unchanged(session, folder, picture)
        _take_in_drift(session, recorded, settled, previewed)
        result = _update(session, folder, file, settled, previewed)
        if not (tries_left and settled is mending.NOTHING and _is_locked(result)):
            break
        session.say("somebody holds the stack for the moment")
        time.sleep(_LOOKERS_PAUSE_S)
    return result


def _is_locked(result: UpdateResult) -> bool:
    """Turned away at the lock: nothing was sent."""
    return result.trouble is not None and result.trouble.name == "locked"


def _recorded(session: Session, picture: Picture, settled: Settled) -> str:
    """No call where nobody has written the state since our own last update; else one."""
    last = session.marks.last()
    ours = picture.written_at and last.get("written_at") == picture.written_at
    if ours and settled is mending.NOTHING:
        return last["settings"]
    return session.base().text


def _expect_program(session: Session) -> None:
    wanted = session.request.program_digest
    found = program_files.digest(session.request.stack.program)
    if wanted and found != wanted:
        raise Unsettled(
            Trouble(
                kind=Kind.REFUSED,
                name="program-changed",
                message=f"the program is not the one that was announced: {found}, not {wanted}",
                why="What it does now was shown to nobody.",
                hint="Check out the commit that the rollout began with, or plan anew.",
            )
        )


def _preview(session: Session, folder: str, file: Path, settled: Settled) -> tuple[Stream, Settled]:
    """One call: what this configuration would do to the world as it is, all resources looked at.

    A second one where what exists unrecorded cannot be adopted as it is: then that is to go.
    """
    run = _previewed(session, folder, file, settled)
    if settled.remedy.adopt and (why := _not_adopted(run, settled)):
        session.tell(f"what exists unrecorded cannot be adopted: {why}")
        settled = settled.without_adoption()
        run = _previewed(session, folder, file, settled)
    if run.trouble is not None:
        raise Unsettled(run.trouble)
    return run.stream, settled


def _not_adopted(run: sdk.Run, settled: Settled) -> str:
    """Why it cannot be: the provider says so, or it would be replaced, which no update then does."""
    if run.trouble is not None:
        return run.trouble.message
    others = [
        f"{step.op} {name_of(step.urn)}"
        for step in run.stream.steps.values()
        if step.urn in settled.remedy.adopt and not step.op.startswith("import")
    ]
    return ", ".join(others)


def _previewed(session: Session, folder: str, file: Path, settled: Settled) -> sdk.Run:
    session.note("preview", "preview --refresh")
    return sdk.preview(
        session.place(folder, file, settled.remedy.adopt),
        session.command(reads=True),
        session.mask,
        session.stream(),
        refresh=True,
    )


def _expect_unchanged(session: Session, folder: str, picture: Picture) -> None:
    """One call, just before the write: an update by somebody else would be overwritten silently.

    After a recovery there is nothing to compare with: the state is our own refresh's.
    """
    now = session.look(folder, "compare")
    if (now.hash, now.written_at) != (picture.hash, picture.written_at):
        raise Unsettled(
            Trouble(
                kind=Kind.CONFLICT,
                name="changed-meanwhile",
                message="somebody updated the stack while this change was being previewed",
                why="An update would overwrite what they did. Nothing was sent.",
                hint="Look at `pulumi stack history`; then resume.",
            )
        )


def _take_in_drift(session: Session, recorded: str, settled: Settled, previewed: Stream) -> None:
    """No call where the world is as recorded. Else one: an update compares with the record alone."""
    changed = {step.urn for step in previewed.steps.values()}
    drifted = tuple(step.urn for step in previewed.drifted if step.urn in changed)
    if drifted:
        session.marks.begin(session.request.operation, settled.objects, settled.remedy.adopt)
        mending.refresh(session, recorded, drifted)


def _update(
    session: Session, folder: str, file: Path, settled: Settled, previewed: Stream
) -> UpdateResult:
    """Two calls: the update of these resources alone, and the state that it left."""
    request = session.request
    steps = tuple(previewed.steps.values())
    command = session.command(reads=False)
    session.note("update", f"{request.operation}: {len(steps)} steps")
    session.marks.begin(request.operation, settled.objects, settled.remedy.adopt)
    watch = Watch(objects=session.objects, say=session.say, give_up=session.cli.interrupt)
    stream = session.stream(lambda event: _record(session, watch, event))
    reads_within_s, session.cli.timeout_s = session.cli.timeout_s, request.within_s + _GRACE_S
    with watch.looking():
        run = sdk.update(
            session.place(folder, file, settled.remedy.adopt),
            command,
            session.mask,
            stream,
            message=request.operation,
            targets=allowing.targets(request.stack, steps, previewed.providers),
        )
    session.cli.timeout_s = reads_within_s
    done = tuple(item.step for item in stream.ended if not item.failed)
    if run.trouble is not None:
        if settled is mending.NOTHING and not stream.seen:
            _nothing_sent(session, run.trouble)
        return _failed(session, watch.explained(run.trouble), done)
    session.cli.on_started = None
    now = session.look(folder, "verify")
    if left := _left(now, {step.urn for step in steps}):
        return _failed(session, _unclean(left), done)
    return _done(session, now, done, stream.outputs, file.read_text(encoding="utf-8"))


def _nothing_sent(session: Session, trouble: Trouble) -> None:
    """It failed before the engine said a word: at the lock, the passphrase, the backend."""
    if trouble.name not in _MAY_HAVE_BEEN_SENT:
        session.marks.drop()


def _record(session: Session, watch: Watch, event: Event) -> None:
    watch.heard(event)
    match event:
        case Began(step=step, custom=True) if step.op in _MAKES:
            item = Object(urn=step.urn, type=event.type, facts=event.facts)
            session.marks.creating(item)
        case Ended(step=step, failed=False) if step.op in _MAKES:
            session.marks.created(step.urn)
        case _:
            pass


def _left(picture: Picture, ours: set[str]) -> list[str]:
    """What is to be mended: anything pending, and what of ours is not ready or not wholly replaced."""
    left = [f"{item.act} {name_of(item.urn)}" for item in picture.pending]
    for item in picture.resources:
        if item.urn in ours and item.not_ready:
            left.append(f"{name_of(item.urn)}: {'; '.join(item.not_ready)}")
        if item.urn in ours and item.left_over:
            left.append(f"the old {name_of(item.urn)} is left")
    return left


def _unclean(left: list[str]) -> Trouble:
    return Trouble(
        kind=Kind.UNAVAILABLE,
        name="left-unclean",
        message=f"the update ended and left something to be mended: {', '.join(left)}",
        why="Only a stack without it can be judged.",
        hint="Resume: the stack is refreshed before anything is judged.",
    )


def _done(
    session: Session,
    picture: Picture,
    steps: tuple[Step, ...],
    outputs: Mapping[str, object] | None,
    text: str,
) -> UpdateResult:
    session.marks.close({"written_at": picture.written_at, "settings": text})
    return UpdateResult(
        outcome=Outcome.DONE,
        sentence=f"{len(steps)} resources changed" if steps else "nothing was to be changed",
        steps=steps,
        outputs=outputs,
        state_hash=picture.hash,
        recovered=tuple(session.told),
        calls=tuple(session.cli.calls),
    )


def _refused(session: Session, steps: tuple[Step, ...], outside: tuple[Step, ...]) -> UpdateResult:
    """Nothing was sent. What an earlier end left stays on its record."""
    named = ", ".join(f"{step.op} {name_of(step.urn)}" for step in outside)
    trouble = Trouble(
        kind=Kind.REFUSED,
        name="outside",
        message=f"the update would go further than this operation: {named}",
        why="Only what was announced for it may be touched. Nothing was sent.",
        hint="Preview again and look why; allow it in the plan if it is meant.",
        urn=outside[0].urn,
    )
    return UpdateResult(
        outcome=Outcome.REFUSED,
        sentence=trouble.message,
        trouble=trouble,
        steps=steps,
        outside=outside,
        recovered=tuple(session.told),
        calls=tuple(session.cli.calls),
    )


def _failed(session: Session, trouble: Trouble, steps: tuple[Step, ...] = ()) -> UpdateResult:
    return UpdateResult(
        outcome=Outcome.STOPPED if session.stopping else Outcome.FAILED,
        sentence=trouble.message,
        trouble=trouble,
        steps=steps,
        recovered=tuple(session.told),
        calls=tuple(session.cli.calls),
    )
