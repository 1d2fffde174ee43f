"""From a source to a sample: a value with what was read, or no data with the reason. Never a zero."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.model.gate import (
    CohortMeasure,
    CohortSource,
    GateSource,
    HttpSource,
    MetricSource,
    ReadinessSource,
    Sample,
    StandingSource,
    SupportersSource,
)
from rollout_kit.model.identity import QueueRef
from rollout_kit.operations.measure import observe_source, sample
from rollout_kit.ports.errors import InFlight, Refused, Unavailable
from tests.operations.measured import (
    ORDERS,
    SCOPE,
    TableEngine,
    TableInfra,
    TableNumbers,
    cohort,
    readers,
    ready,
    row,
    run,
)

EXPIRED = MetricSource(path="tasks.lease_expired", namespace="orders")
NOT_READY = ReadinessSource()
PINS = CohortSource(measure=CohortMeasure.UNSERVED_PINS)
REFUSED = Unavailable("connection refused")
PENDING = InFlight("pending, 2000 of 9000 runs")


def measured(
    source: GateSource,
    engine: TableEngine | None = None,
    infra: TableInfra | None = None,
    numbers: TableNumbers | None = None,
    **kwargs: tuple[str, ...],
) -> Sample:
    seen = observe_source(source, readers(engine, infra, numbers), 5.0)
    return sample(source, seen, scope=SCOPE, **kwargs)


@pytest.mark.parametrize(
    ("engine", "value", "detail"),
    [
        (TableEngine(metrics={"orders": {"tasks.lease_expired": 3}}), 3.0, ""),
        (TableEngine(metrics={"orders": {"tasks.lease_expired": 0}}), 0.0, ""),
        (TableEngine(metrics={"orders": {"tasks.lease_expired": None}}), None, "is null"),
        (TableEngine(metrics={"orders": {}}), None, "have no tasks.lease_expired"),
        (TableEngine(metrics={"orders": REFUSED}), None, "connection refused"),
        (TableEngine(admin=False), None, "need the admin token"),
    ],
)
def test_a_metric_is_its_value_or_no_data(
    engine: TableEngine, value: float | None, detail: str
) -> None:
    found = measured(EXPIRED, engine)
    assert found.value == value
    assert detail in found.detail
    assert found.at_s == 5.0


@pytest.mark.parametrize(
    ("number", "value"), [(0.25, 0.25), (Refused("no number at /a"), None), (REFUSED, None)]
)
def test_a_number_over_http_is_its_value_or_no_data(
    number: float | Exception, value: float | None
) -> None:
    source = HttpSource(url="http://metrics", pointer="/a")
    found = measured(source, numbers=TableNumbers(number))
    assert found.value == value
    assert bool(found.detail) is (value is None)


BROKEN = ready(failing={"database": "unavailable"})


@pytest.mark.parametrize(
    ("nodes", "value", "detail"),
    [
        ({}, 0.0, ""),
        ({"api-2": BROKEN}, 1.0, "api-2: database: unavailable"),
        ({"api-2": REFUSED}, None, "api-2: connection refused"),
        ({"api-2": PENDING}, None, "api-2: pending, 2000 of 9000 runs"),
        ({"api-1": BROKEN, "api-2": REFUSED}, 1.0, "api-1: database: unavailable"),
        (
            {"api-1": BROKEN, "api-2": BROKEN, "api-3": BROKEN},
            3.0,
            "nothing is ready, so look at what the nodes share",
        ),
    ],
)
def test_nodes_that_are_not_ready_are_counted_and_named(
    nodes: dict[str, object], value: float | None, detail: str
) -> None:
    engine = TableEngine(readiness_of=nodes)  # type: ignore[arg-type]
    found = measured(NOT_READY, engine)
    assert found.value == value
    assert detail in found.detail


def test_a_node_out_of_rotation_is_not_judged() -> None:
    engine = TableEngine(readiness_of={"api-2": BROKEN, "api-3": BROKEN})
    infra = TableInfra(detached=frozenset({"api-3"}))
    assert measured(NOT_READY, engine, infra).value == 1.0
    assert measured(NOT_READY, engine, infra, out_of_rotation=("api-2",)).value == 0.0


def test_a_node_that_is_named_is_judged_also_out_of_rotation() -> None:
    engine = TableEngine(readiness_of={"api-2": BROKEN})
    source = ReadinessSource(node="api-2")
    found = measured(source, engine, TableInfra(detached=frozenset({"api-2"})))
    assert found.value == 1.0


TWO_BUILDS = {ORDERS: (row("old"), row("new", selected=True))}


@pytest.mark.parametrize(
    ("runs", "value", "detail"),
    [
        ((run("a", "old"), run("b", "new")), 0.0, ""),
        ((run("a", "gone"), run("b", "gone")), 2.0, "orders/critical@gone: 2"),
        ((run("a", "old"), run("b", None, described=False)), 0.0, "1 of 2 open runs read"),
        ((run("a", None, described=False),), None, "0 of 1 open runs read"),
        (REFUSED, None, "connection refused"),
        (PENDING, None, "2000 of 9000"),
    ],
)
def test_unserved_pins_are_judged_on_what_was_read(
    runs: tuple[object, ...], value: float | None, detail: str
) -> None:
    engine = TableEngine(rows=dict(TWO_BUILDS), runs={"orders": runs})  # type: ignore[dict-item]
    engine.all_read = False
    found = measured(PINS, engine)
    assert found.value == value
    assert detail in found.detail


def test_pins_that_were_unserved_before_or_were_given_up_decide_nothing() -> None:
    engine = TableEngine(rows=dict(TWO_BUILDS), runs={"orders": (run("a", "gone"),)})
    assert measured(PINS, engine).value == 1.0
    assert measured(PINS, engine, unserved_before=("orders/critical@gone",)).value == 0.0
    assert measured(replace(PINS, ignoring=("gone",)), engine).value == 0.0


def test_a_queue_or_a_build_narrows_the_pins() -> None:
    bulk = QueueRef(namespace="orders", task_queue="bulk")
    rows = {ORDERS: (row("new"),), bulk: (row("new", queue=bulk),)}
    runs = (run("a", "gone"), run("b", "lost"), run("c", "gone", queue=bulk))
    engine = TableEngine(rows=rows, runs={"orders": runs})  # type: ignore[arg-type]
    assert measured(PINS, engine).value == 3.0
    assert measured(replace(PINS, queue=ORDERS), engine).value == 2.0
    assert measured(replace(PINS, cohort=cohort("gone")), engine).value == 1.0


def test_a_queue_that_nobody_could_read_is_no_data() -> None:
    engine = TableEngine(rows={ORDERS: REFUSED}, runs={"orders": (run("a", "old"),)})
    found = measured(PINS, engine)
    assert found.value is None
    assert found.detail.startswith("not measured: ")


def test_markers_reach_every_namespace() -> None:
    other = QueueRef(namespace="billing", task_queue="bills")
    rows = {ORDERS: (row("m1"),), other: (row("m1", queue=other),)}
    runs = {"billing": (run("b", "gone", queue=other),)}
    engine = TableEngine(rows=rows, runs=runs, markers=True)  # type: ignore[arg-type]
    assert measured(PINS, engine).value == 0.0
    engine.all_namespaces = ("orders", "billing")
    assert measured(PINS, engine).value == 1.0
    engine.all_namespaces = REFUSED
    assert measured(PINS, engine).value is None


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        (CohortMeasure.ACTIVE_WORKERS, 3.0),
        (CohortMeasure.DRAINING_WORKERS, 1.0),
        (CohortMeasure.LEASES, 0.0),
        (CohortMeasure.OPEN_PINNED_RUNS, 1.0),
    ],
)
def test_a_cohort_is_counted(measure: CohortMeasure, value: float) -> None:
    engine = TableEngine(
        rows={ORDERS: (row("new", active=3, draining=1),)},
        runs={"orders": (run("a", "new"), run("b", "old"))},
    )
    source = CohortSource(measure=measure, cohort=cohort("new"))
    assert measured(source, engine).value == value


@pytest.mark.parametrize("measure", [m for m in CohortMeasure if m != "unserved_pins"])
def test_a_cohort_that_cannot_be_read_is_no_data(measure: CohortMeasure) -> None:
    class Silent(TableEngine):
        def queue(self, queue: QueueRef) -> object:  # type: ignore[override]
            raise REFUSED

    engine = Silent(rows={ORDERS: REFUSED}, runs={"orders": REFUSED})
    found = measured(CohortSource(measure=measure, cohort=cohort("new")), engine)
    assert found.value is None
    assert "connection refused" in found.detail


def test_runs_that_were_not_all_read_prove_a_breach_and_not_its_absence() -> None:
    source = CohortSource(measure=CohortMeasure.OPEN_PINNED_RUNS, cohort=cohort("new"))
    engine = TableEngine(runs={"orders": (run("a", "old"),)}, all_read=False)
    assert measured(source, engine).value is None
    engine.runs = {"orders": (run("a", "new"),)}
    found = measured(source, engine)
    assert (found.value, found.partial) == (1.0, True)


@pytest.mark.parametrize(
    ("marker", "rows", "value"),
    [
        ("m1", (row("m1"),), 0.0),
        ("m2", (row("m1"),), 4.0),  # three nodes and the scheduler
        (None, (row("m1"),), 0.0),
        ("m2", REFUSED, None),
    ],
)
def test_markers_that_nobody_serves_are_counted(
    marker: str | None, rows: object, value: float | None
) -> None:
    engine = TableEngine(rows={ORDERS: rows}, markers=True)  # type: ignore[dict-item]
    found = measured(SupportersSource(), engine, TableInfra(marker=marker))
    assert found.value == value
    if value:
        assert "node api-1: m2" in found.detail
        ignoring = SupportersSource(ignoring=("m2",))
        assert measured(ignoring, engine, TableInfra(marker=marker)).value == 0.0


@pytest.mark.parametrize(
    ("source", "value", "detail"),
    [
        (StandingSource(row="r", subject={"node/api-1/version": "2.0.0"}), 0.0, ""),
        (StandingSource(row="r", subject={"node/api-1/version": "2.1.0"}), 1.0, "not 2.1.0"),
        (StandingSource(row="r", subject={"scheduler/image": "server"}), 0.0, ""),
        (
            StandingSource(row="r", retired=(cohort("new"),)),
            1.0,
            "critical@new still has 2 workers",
        ),
        (StandingSource(row="r", retired=(cohort("old"),)), 0.0, ""),
        (StandingSource(row="r", why_not="not in this plan"), 0.0, "not in this plan"),
    ],
)
def test_a_row_of_the_table_holds_or_says_what_does_not(
    source: StandingSource, value: float, detail: str
) -> None:
    found = measured(source, TableEngine(rows={ORDERS: (row("new"),)}))
    assert found.value == value
    assert detail in found.detail


def test_a_row_that_nobody_can_read_is_no_data() -> None:
    engine = TableEngine(rows={ORDERS: REFUSED}, readiness_of={"api-1": REFUSED})
    for source in (
        StandingSource(row="r", subject={"node/api-1/version": "2.0.0"}),
        StandingSource(row="r", retired=(cohort("old"),)),
    ):
        assert measured(source, engine).value is None
