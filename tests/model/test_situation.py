"""The numbers of several looks as one."""

from __future__ import annotations

from rollout_kit.model.situation import NodeNumbers, SchedulerNumbers, Situation

READY, GONE = NodeNumbers(ready=True), NodeNumbers(answers=False)


def test_each_look_is_laid_over_those_before_it() -> None:
    seen = Situation(nodes={"a": READY, "b": READY}, metrics={"x": 1.0}).merged(
        Situation(nodes={"a": GONE}), Situation(nodes={"c": GONE}, metrics={"x": 2.0, "y": None})
    )
    assert seen == Situation(
        nodes={"a": GONE, "b": READY, "c": GONE}, metrics={"x": 2.0, "y": None}
    )


def test_what_was_not_looked_at_stays_as_it_was_seen() -> None:
    first, last = SchedulerNumbers(processes=1), SchedulerNumbers(processes=2)
    seen = Situation(scheduler=first)
    assert seen.merged(Situation(), Situation()).scheduler == first
    assert seen.merged(Situation(scheduler=last), Situation()).scheduler == last


def test_what_is_merged_is_left_alone() -> None:
    one, other = Situation(nodes={"a": READY}), Situation(nodes={"b": READY})
    one.merged(other)
    assert (one, other) == (Situation(nodes={"a": READY}), Situation(nodes={"b": READY}))
