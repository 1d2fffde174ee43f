"""What became of every start: completed, still open and claimable, or lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

from rollout_kit.sandbox.ledger import Heard, Start
from rollout_kit.sandbox.wire import Answer, NoAnswer, Wire

Serves: TypeAlias = Callable[[str | None], bool]
"""Whether workers that may take tasks of this pin live on every queue of the sandbox."""

_PAGE = 200
_AT_ONCE = 4
_TRIED_FOR_S = 15.0


class CannotAccount(Exception):
    """The server did not answer: no figure is better than a wrong one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A run that was acknowledged and will not come to its end, and why."""

    workflow_id: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadAccount:
    """Every start in the ledger is in exactly one place. `refused`: the server said a clear no;
    `never_started`: no answer came, and the server has no such run."""

    completed: int
    open_claimable: int
    lost: tuple[Lost, ...]
    refused: int
    never_started: int

    @property
    def started(self) -> int:
        """Starts that the server has acknowledged, or that are there although no answer came."""
        return self.completed + self.open_claimable + len(self.lost)

    @property
    def sentence(self) -> str:
        return (
            f"{self.started} runs started: {self.completed} completed,"
            f" {self.open_claimable} open and claimable, {len(self.lost)} lost"
        )


def account(
    wire: Wire, starts: Mapping[str, Start], queues: tuple[str, ...], serves: Serves
) -> LoadAccount:
    """Ask the server for every run of the ledger.

    Raises CannotAccount when a question has no answer for fifteen seconds.
    """
    asked = {name: start for name, start in starts.items() if start.heard is not Heard.REFUSED}
    done = _completed(wire) & asked.keys()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        rest = dict(
            zip(
                left := [name for name in asked if name not in done],
                threads.map(lambda name: _described(wire, name), left),
                strict=True,
            )
        )
    leased = _leased(wire, queues)
    lost: list[Lost] = []
    completed, claimable, never = len(done), 0, 0
    for name, answer in rest.items():
        status = str(answer.body.get("status"))
        if answer.status == 404:
            if asked[name].heard is Heard.ACKNOWLEDGED:
                lost.append(Lost(workflow_id=name, because="the server no longer knows it"))
            never += asked[name].heard is not Heard.ACKNOWLEDGED
        elif status == "completed":
            completed += 1
        elif answer.body.get("is_terminal"):
            lost.append(Lost(workflow_id=name, because=f"ended as {status}"))
        elif name in leased or serves(_pin(answer)):
            claimable += 1
        else:
            lost.append(Lost(workflow_id=name, because=f"nobody serves its pin {_pin(answer)}"))
    return LoadAccount(
        completed=completed,
        open_claimable=claimable,
        lost=tuple(lost),
        refused=len(starts) - len(asked),
        never_started=never,
    )


def _completed(wire: Wire) -> set[str]:
    """Ids whose newest run is completed; a continued run hides behind its successor."""
    newest: dict[str, tuple[str, bool]] = {}
    for row in _listed(wire):
        name, at = str(row["workflow_id"]), str(row["started_at"])
        if name not in newest or at >= newest[name][0]:
            newest[name] = (at, row["status"] == "completed")
    return {name for name, (_, completed) in newest.items() if completed}


def _listed(wire: Wire) -> Iterator[Mapping[str, object]]:
    token = ""
    while True:
        query = f"?page_size={_PAGE}" + (f"&next_page_token={quote(token)}" if token else "")
        body = _answer(wire, "/api/workflows" + query).body
        rows = body.get("workflows")
        yield from rows if isinstance(rows, list) else []
        token = str(body.get("next_page_token") or "")
        if not token:
            return


def _described(wire: Wire, workflow_id: str) -> Answer:
    return _answer(wire, f"/api/workflows/{quote(workflow_id, safe='')}")


def _leased(wire: Wire, queues: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    for queue in queues:
        leases = _answer(wire, f"/api/task-queues/{quote(queue, safe='')}").body["current_leases"]
        found |= (
            {str(lease["workflow_id"]) for lease in leases if not lease["is_expired"]}
            if (isinstance(leases, list))
            else set()
        )
    return found


def _pin(answer: Answer) -> str | None:
    pin = answer.body.get("compatibility")
    return pin if isinstance(pin, str) else None


def _answer(wire: Wire, path: str) -> Answer:
    until = time.monotonic() + _TRIED_FOR_S
    while True:
        try:
            answer = wire.call("GET", path)
            said = f"{answer.status} {answer.reason}"
            if answer.status in {200, 404}:
                return answer
        except NoAnswer as error:
            said = str(error)
        if time.monotonic() > until:
            raise CannotAccount(f"{path}: {said}")
        time.sleep(0.2)
