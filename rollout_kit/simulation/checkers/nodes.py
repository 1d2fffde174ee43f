"""Never no ready node, one out at a time, and back only as what the plan says."""

from __future__ import annotations

from math import inf

from rollout_kit.simulation.checkers.rule import SIGHT_S, Rule
from rollout_kit.simulation.checkers.words import Words
from rollout_kit.simulation.effects import (
    Happening,
    Journaled,
    NodeAttached,
    NodeDetached,
    NodeStarted,
    NodeStopped,
    Who,
)
from rollout_kit.simulation.truth import Truth


class _Life:
    """A node through the eyes of its clients: when it was last up and in rotation."""

    def __init__(self, *, up_at_s: float, attached: bool, version: str) -> None:
        self.up_at_s = up_at_s  # infinite: not at all
        self.attached = attached
        self.version = version
        self.was_up_at_s = -inf
        self.served_at_s = -inf

    def note(self, at_s: float) -> None:
        """To be called before anything changes."""
        if self.up_at_s <= at_s:
            self.was_up_at_s = at_s
            if self.attached:
                self.served_at_s = at_s


class _Lives(Rule):
    """A rule that follows every node's life."""

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        now_s = truth.at_s
        self._lives = {
            name: _Life(
                up_at_s=now_s if node.up else inf, attached=node.attached, version=node.version
            )
            for name, node in truth.nodes.items()
        }

    def saw(self, happening: Happening, truth: Truth) -> None:  # noqa: ARG002
        for life in self._lives.values():
            life.note(happening.at_s)
        self._judge(happening)
        effect = happening.effect
        match effect:
            case NodeStopped(node=node):
                self._lives[node].up_at_s = inf
            case NodeStarted(node=node):
                self._lives[node].up_at_s = effect.up_at_s
                self._lives[node].version = effect.version
            case NodeDetached(node=node) | NodeAttached(node=node):
                self._lives[node].attached = isinstance(effect, NodeAttached)
            case _:
                pass

    def _judge(self, happening: Happening) -> None:
        """The effect, beside the lives as they were just before it."""


class NeverNoReadyNode(_Lives):
    """The tool takes a serving node away only where another one serves.

    Judged when the tool detaches a node, or stops the process of one that is in rotation: another node
    must have been up and in rotation at some moment of the last `SIGHT_S` seconds. One that died
    within them may have died after the tool's last look; one dead for longer was seen to be dead. A
    fleet of one node has an outage by its plan's consent, and a node that itself serves nobody is no
    loss.
    """

    name = "never-no-ready-node"

    def _judge(self, happening: Happening) -> None:
        match happening.effect:
            case NodeDetached(node=node) | NodeStopped(node=node):
                self._leaves(node, happening)
            case _:
                pass

    def _leaves(self, node: str, happening: Happening) -> None:
        at_s = happening.at_s
        serves = self._lives[node].served_at_s == at_s
        if happening.who is not Who.TOOL or not serves or len(self._lives) == 1:
            return
        others = sum(
            at_s - life.served_at_s <= SIGHT_S for name, life in self._lives.items() if name != node
        )
        if not others:
            self._say(at_s, f"{node} was taken away, and no other node had served for {SIGHT_S:g}s")
        else:
            self._near(others - 1.0, f"{node} left with {others} other nodes serving")


class OneNodeOut(_Lives):
    """The tool detaches no second node before the one it detached is back in rotation.

    Whoever put it back; and what a person took out is not counted against the tool.
    """

    name = "one-node-out"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._out: set[str] = set()

    def _judge(self, happening: Happening) -> None:
        match happening.effect:
            case NodeAttached(node=node):
                self._out.discard(node)
            case NodeDetached(node=node) if happening.who is Who.TOOL:
                others = sorted(self._out - {node})
                if others:
                    self._say(happening.at_s, f"{node} was detached while {others[0]} was out")
                self._out.add(node)
            case _:
                pass


class ReturnsAsSaid(_Lives):
    """The tool attaches a node only when it is up, and a version that the plan or the fleet knows.

    Known are the versions that ran before the rollout and the plan's `to`. Up at some moment of the
    last `SIGHT_S` seconds is enough: it may have died since the look.
    """

    name = "returns-as-said"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._known = {life.version for life in self._lives.values()}
        self._words = Words()

    def _judge(self, happening: Happening) -> None:
        match happening.effect:
            case Journaled(event=event):
                self._words.read(event)
            case NodeAttached(node=node) if happening.who is Who.TOOL:
                self._returns(node, happening.at_s)
            case _:
                pass

    def _returns(self, node: str, at_s: float) -> None:
        life = self._lives[node]
        if at_s - life.was_up_at_s > SIGHT_S:
            self._say(at_s, f"{node} was attached, and had not been up for {SIGHT_S:g}s")
        elif life.version not in self._known | {self._words.server_to}:
            self._say(at_s, f"{node} was attached as {life.version}, which nobody asked for")
