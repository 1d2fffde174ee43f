"""Why a command ends, and with which exit code."""

from __future__ import annotations

ERROR = 1
UNCONFIRMED = 2
NO_CREDENTIALS = 3
STACK_NOT_FOUND = 6
CHANGES = 7
CANCELLED = 8


class Failure(Exception):
    """Ends the command: the text goes to standard error as `error: TEXT`; none is a silent end."""

    def __init__(self, text: str = "", code: int = ERROR) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class OperationFailed(Exception):
    """A provider could not do what it was asked; nothing is recorded."""


class Unfinished(Exception):
    """The object exists but did not get ready: it is recorded with these reasons."""

    def __init__(self, id_: str, outputs: dict, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.id = id_
        self.outputs = outputs
        self.reasons = reasons


class PluginDied(OperationFailed):
    """The provider's process went away in the middle of an operation."""
