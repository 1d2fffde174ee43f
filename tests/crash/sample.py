"""Which points of a plan's rollout it is killed at, for itself, where not all of them are tried."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Sequence

EVERY_KTH = int(os.environ["CRASH_EVERY"]) if "CRASH_EVERY" in os.environ else None
"""Of every plan the same share, however long its rollout."""
SHARED = ("scheduler", "sched")
"""Steps whose operations are called as others are: a scheduler and a cohort are both stopped."""
NAMES = re.compile(r"orders|billing|build-\d|\d+")


def every_kth(name: str, points: Sequence[str], every: int) -> frozenset[int]:
    """Numbers of the points, from one that the plan's name decides; all where `CRASH_EVERY` is 1."""
    every = EVERY_KTH or every
    return frozenset(range(zlib.crc32(name.encode()) % every, len(points), every))


def first_of_kind(points: Sequence[str], elsewhere: frozenset[str]) -> frozenset[int]:
    """Numbers of the first point of each kind that is tried nowhere `elsewhere`."""
    first: dict[str, int] = {}
    for number, point in enumerate(points):
        first.setdefault(kind_of(point), number)
    return frozenset(number for kind, number in first.items() if kind not in elsewhere)


def kind_of(point: str) -> str:
    """`before OperationIntended api/api-2/detach` and the same of another node are of one kind."""
    moment, _, what = point.partition(" ")
    if what.startswith("r-1/"):
        what = what.replace("r-1/", "begin ", 1)
    event, _, path = what.partition(" ")
    if event in ("POST", "PUT", "DELETE"):
        return f"{moment} {event} {NAMES.sub('#', path.partition('?')[0])}"
    words = [word for word in path.split("/") if not word.isdigit()] or [""]
    shared = next((word for word in words if word in SHARED), "")
    last = "gate" if "gate" in words or event == "GateDecided" else words[-1]
    if NAMES.fullmatch(last):
        last = words[-2]  # an operation of a queue: what it is, stands before
    return f"{moment} {event} {shared} {re.sub(r'-?[0-9]+$', '', last)}"
