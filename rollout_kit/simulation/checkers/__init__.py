"""The rules that every rollout keeps, whatever fails: one checker each.

They share no code with what they judge: an import contract keeps executor, operations, planning, gates
and the journal's own code away from here. What a fault does that no tool could prevent does not count;
each checker's docstring says by what the tool could have seen.
"""

from __future__ import annotations

from rollout_kit.simulation.checkers.bootstrap import BootstrapFirst
from rollout_kit.simulation.checkers.cohorts import NeverDrainTheOnly, NeverStopWork
from rollout_kit.simulation.checkers.explained import EveryEffectExplained
from rollout_kit.simulation.checkers.journal import ChainWhole, FencedOff, NeverBack, OverIsOver
from rollout_kit.simulation.checkers.names import OnlyKnownNames
from rollout_kit.simulation.checkers.nodes import NeverNoReadyNode, OneNodeOut, ReturnsAsSaid
from rollout_kit.simulation.checkers.restored import RestoredOrListed
from rollout_kit.simulation.checkers.schedulers import NeverTwoSchedulers
from rollout_kit.simulation.checkers.work import NothingDoneTwice, NoWorkLost

CHECKERS = (
    NeverNoReadyNode,
    OneNodeOut,
    ReturnsAsSaid,
    NeverTwoSchedulers,
    BootstrapFirst,
    NeverDrainTheOnly,
    NeverStopWork,
    OnlyKnownNames,
    NoWorkLost,
    NothingDoneTwice,
    RestoredOrListed,
    EveryEffectExplained,
    ChainWhole,
    NeverBack,
    OverIsOver,
    FencedOff,
)
"""All of them; each is made anew for every run."""
