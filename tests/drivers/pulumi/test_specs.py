"""What the driver says runs, where the stack's record and its program's output do not agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from rollout_kit.drivers.pulumi.changing import changed
from rollout_kit.drivers.pulumi.live import NoCluster
from rollout_kit.drivers.pulumi.readings import Readings, Recorded
from rollout_kit.drivers.pulumi.specs import Specs
from rollout_kit.drivers.pulumi.wanted import from_values
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.stack_contract import Given
from rollout_kit.ports.infra import CohortSpec, SetCohort

NEW = CohortRef(namespace="prod", task_queue="orders", build_id="b2")
ENTRY = {"namespace": "prod", "task_queue": "orders", "build_id": "b2", "image": "orders:2"}


@dataclass(frozen=True, kw_only=True)
class Record:
    """A stack as a failed update left it: asked for, and not given."""

    recorded_as: Recorded

    def recorded(self) -> Recorded:
        return self.recorded_as


def test_a_cohort_whose_update_failed_is_known_and_not_to_run_so_that_it_can_be_taken_back() -> (
    None
):
    configuration = {"fleet:cohorts": {NEW.path: {**ENTRY, "replicas": 2}}}
    record = Record(
        recorded_as=Recorded(
            given=Given(contract=1, reads=()), outputs={}, configuration=configuration
        )
    )
    specs = Specs(cast("Readings", record), NoCluster(), dict)
    assert specs.cohorts() == {NEW: CohortSpec(image="", replicas=2)}

    stop = SetCohort(cohort=NEW, spec=CohortSpec(image="", replicas=0))
    after = changed(from_values(configuration), stop, key="r/undo/deploy/5/1").cohorts
    assert after is not None
    assert (after[NEW.path].image, after[NEW.path].replicas) == ("orders:2", 0)
