"""`up`, `preview`, `refresh` and `destroy`, from the lock to the last line."""

from __future__ import annotations

from .arguments import Arguments
from .deployment import needed_by_protected
from .failure import CHANGES, UNCONFIRMED, Failure
from .locks import Lock
from .session import Session, open_session, out
from .update import Run, Update

_UNCONFIRMED = (
    "--yes or --skip-preview or --preview-only must be passed in to proceed when running in "
    "non-interactive mode"
)


def preview(arguments: Arguments) -> int:
    session = open_session(arguments)
    return _outcome(_run(session, Update.PREVIEW), arguments, "preview")


def up(arguments: Arguments) -> int:
    session = open_session(arguments)
    _confirmed(arguments, UNCONFIRMED)
    if not arguments.has("--skip-preview"):
        code = _outcome(_run(session, Update.PREVIEW), arguments, "")
        if code:
            return code
    return _outcome(_locked(session, Update.UP), arguments, "update")


def refresh(arguments: Arguments) -> int:
    session = open_session(arguments)
    _confirmed(arguments, 1)
    if arguments.has("--preview-only"):
        return _outcome(_run(session, Update.REFRESH_PREVIEW), arguments, "preview")
    if not arguments.has("--skip-preview"):
        code = _outcome(_run(session, Update.REFRESH_PREVIEW), arguments, "")
        if code:
            return code
    return _outcome(_locked(session, Update.REFRESH), arguments, "refresh")


def destroy(arguments: Arguments) -> int:
    session = open_session(arguments)
    _confirmed(arguments, UNCONFIRMED)
    if arguments.has("--preview-only"):
        return _outcome(_run(session, Update.DESTROY_PREVIEW), arguments, "preview")
    if not arguments.has("--skip-preview"):
        code = _outcome(_run(session, Update.DESTROY_PREVIEW), arguments, "")
        if code:
            return code
    if arguments.has("--exclude-protected"):
        resources = session.files.load().get("resources") or []
        kept = needed_by_protected(resources)
        if kept and len(kept) == len({one["urn"] for one in resources}):
            count = len(kept) - sum("pulumi:providers:" in urn for urn in kept) + 1
            out(
                "There were no unprotected resources to destroy. There are still "
                f"{count} protected resources associated with this stack."
            )
            return 0
    code = _outcome(_locked(session, Update.DESTROY), arguments, "")
    if not code and not arguments.has("--remove"):
        out(
            "The resources in the stack have been deleted, but the history and configuration "
            "associated with the stack are still maintained. \nIf you want to remove the stack "
            f"completely, run `pulumi stack rm {session.stack}`."
        )
    return code


def _confirmed(arguments: Arguments, code: int) -> None:
    if not any(arguments.has(flag) for flag in ("--yes", "--skip-preview", "--preview-only")):
        raise Failure(_UNCONFIRMED, code)


def _locked(session: Session, update: Update) -> Run:
    lock = Lock(session.files)
    run = Run(session, update, on_abandon=lock.release)
    run.open()
    lock.take()
    try:
        run.go()
    finally:
        lock.release()
        run.left()
    return run


def _run(session: Session, update: Update) -> Run:
    run = Run(session, update, on_abandon=lambda: None)
    run.open()
    run.go()
    return run


def _outcome(run: Run, arguments: Arguments, expected: str) -> int:
    if run.failed:
        return 1
    if expected and arguments.has("--expect-no-changes") and run.changed:
        raise Failure(f"no changes were expected for {expected} but changes were proposed", CHANGES)
    return 0
