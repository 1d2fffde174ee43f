"""The servers take any name of a build, and keep a row for it for ever."""

from __future__ import annotations

from rollout_kit.emulator.model.records import Rollout
from rollout_kit.model.identity import CohortRef
from rollout_kit.simulation.checkers.cohorts import asked_of_a_cohort
from rollout_kit.simulation.checkers.rule import Rule
from rollout_kit.simulation.effects import CohortChanged, Happening, ServerWrite, Who
from rollout_kit.simulation.truth import Truth


class OnlyKnownNames(Rule):
    """The tool drains, resumes or promotes nothing that nobody ever ran or named.

    Known is what had a row before the rollout or was named by somebody else, and what the driver was
    ever asked to run. A request that arrives after its caller gave up was sent to another world.
    """

    name = "only-known-names"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._known = set(truth.cohorts)
        with truth.rows() as rows:
            self._known |= {
                CohortRef(namespace=row.namespace, task_queue=row.task_queue, build_id=row.build_id)
                for row in rows.select(Rollout)
            }

    def saw(self, happening: Happening, truth: Truth) -> None:  # noqa: ARG002
        match happening.effect:
            case CohortChanged(cohort=cohort):
                self._known.add(cohort)
            case ServerWrite(status=status) as written if status < 300:
                asked = asked_of_a_cohort(written)
                if asked is None or asked.cohort in self._known:
                    return
                if happening.who is Who.TOOL and not written.late:
                    sentence = f"asked to {asked.act} {asked.cohort.label}, which nobody ever ran"
                    self._say(happening.at_s, sentence)
                self._known.add(asked.cohort)
            case _:
                pass
