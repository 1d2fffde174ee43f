"""How much each operation can hurt, and how long two versions live together."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.planning.blast_radius import Radius, radii, radius_notes, skew_window
from rollout_kit.planning.draft import Stage, staged
from tests.planning.fleets import Fleet, Workers, arrived, critical, document, newer, older


def stages(fleet: Fleet) -> tuple[Stage, ...]:
    operations = fleet.planned(document()).plan.operations
    return staged(operations, fleet.observation, fleet.situation)


def by_operation(fleet: Fleet) -> dict[str, Radius]:
    return {radius.operation: radius for radius in radii(stages(fleet))}


def test_shares_are_of_nodes_workers_and_new_starts() -> None:
    found = by_operation(newer())
    assert {name: (radius.of, radius.share) for name, radius in found.items()} == {
        "api/api-1/detach": ("API nodes", 0.5),
        "api/api-2/detach": ("API nodes", 0.5),
        "sched/stop": ("schedules", 1.0),
        "canary/share-2/critical/promote": ("new starts on critical", 1.0),
        "drain/critical/stop": ("workers of critical", 0.5),
    }


def test_a_marker_changes_its_node_s_part_of_the_new_starts() -> None:
    found = by_operation(older())
    first = found["canary/smoke-1/api-1/replace"]
    second = found["canary/share-2/api-2/replace"]
    assert (first.of, first.share) == ("new starts", 0.5)
    assert second.share == 1.0
    assert second.sentence == "2 of 2 API nodes pin new runs to build-2 (100%)"


def test_a_third_build_makes_the_drained_share_smaller() -> None:
    fleet = newer().having({critical("build-0"): Workers(replicas=12, selected=False)})
    assert by_operation(fleet)["drain/critical/stop"].share == 0.25


def test_a_canary_over_no_selection_names_the_build_that_gets_the_new_starts_in_the_end() -> None:
    fleet = newer().having({critical("build-1"): Workers(replicas=4, selected=False)})
    canary = [s for s in stages(fleet) if s.operation.id.startswith("canary/")]
    assert next(s.operation.id for s in canary if s.writes).endswith("select-current")
    assert radius_notes(canary) == ("blast radius: all new starts on critical go to build-2",)


def test_a_fleet_that_is_there_cannot_be_hurt() -> None:
    assert radii(stages(arrived(newer()))) == ()


def test_two_versions_live_together_from_the_first_new_process_to_the_last_old_one() -> None:
    found = skew_window(stages(newer()))
    assert found is not None
    assert (found.first, found.last) == ("api/api-1/replace", "sched/stop")
    assert found.seconds >= 60.0  # two bakes of thirty seconds


def test_workers_alone_open_no_skew_window() -> None:
    there = replace(
        newer(), images=dict.fromkeys(newer().images, "server-new"), scheduler="server-new"
    )
    assert skew_window(stages(replace(there, revision="0.2.10"))) is None
