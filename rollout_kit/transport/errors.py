"""What transport itself has to tell apart among the errors of `ports.errors`."""

from __future__ import annotations

from rollout_kit.ports.errors import Trouble, Unavailable


class Transient(Unavailable):
    """Gone with the next attempt, perhaps. `retry_after_s`: the server asked for so much patience."""

    def __init__(
        self,
        message: str,
        *,
        why: str = "",
        hint: str = "",
        trouble: Trouble = Trouble.NETWORK,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(message, why=why, hint=hint, trouble=trouble)
        self.retry_after_s = retry_after_s


class Malformed(ValueError):
    """An answer is JSON but not the answer that the contract describes.

    `wanted` and `found` are the two values, `where` the place (`build_ids[2].total_worker_count`).
    """

    def __init__(self, where: str, wanted: str, found: str) -> None:
        super().__init__(f"{where}: expected {wanted}, found {found}")
        self.where = where
        self.wanted = wanted
        self.found = found
