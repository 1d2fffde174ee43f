"""What one server process was started with, and how the two generations differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Generation(StrEnum):
    V0_2 = "0.2"
    V2 = "2.x"


class FleetValidation(StrEnum):
    WARN = "warn"
    FAIL = "fail"


class Condition(StrEnum):
    """A failing surrounding that a test or a drill puts this process into."""

    DATABASE_DOWN = "database_down"
    DATABASE_FILE_MISSING = "database_file_missing"
    DATABASE_FROZEN = "database_frozen"
    CACHE_DOWN = "cache_down"
    ROLLOUT_TABLE_MISSING = "rollout_table_missing"
    FIRST_DRAIN_RACE = "first_drain_race"
    STORAGE_PRESSURE = "storage_pressure"
    PASSES_FAIL = "passes_fail"  # every item that a system pass selects


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The differences between the generations that the model asks about, each by its own name."""

    drain_stamps_workers: bool
    draining_polls_refused: bool
    selector_routing: bool
    versioned_workers_take_unpinned_activities: bool
    start_gate: bool
    register_beats: bool
    repairing_node_beats: bool
    pending_migrations_gate_ready: bool
    cache_gates_ready: bool
    exact_worker_protocol: bool
    lists_hide_stale_workers: bool
    poll_status: bool
    default_protocol: str
    default_version: str
    default_image: str
    runtimes: Sequence[str]


RULES = {
    Generation.V0_2: Rules(
        drain_stamps_workers=False,
        draining_polls_refused=False,
        selector_routing=False,
        versioned_workers_take_unpinned_activities=False,
        start_gate=False,
        register_beats=True,
        repairing_node_beats=True,
        pending_migrations_gate_ready=False,
        cache_gates_ready=True,
        exact_worker_protocol=True,
        lists_hide_stale_workers=False,
        poll_status=False,
        default_protocol="1.0",
        default_version="2.0.0",
        default_image="0.2.9",
        runtimes=("php", "python", "typescript", "go", "java"),
    ),
    Generation.V2: Rules(
        drain_stamps_workers=True,
        draining_polls_refused=True,
        selector_routing=True,
        versioned_workers_take_unpinned_activities=True,
        start_gate=True,
        register_beats=False,
        repairing_node_beats=False,
        pending_migrations_gate_ready=True,
        cache_gates_ready=False,
        exact_worker_protocol=False,
        lists_hide_stale_workers=True,
        poll_status=True,
        default_protocol="1.19",
        default_version="2.3.14",
        default_image="2.3.14",
        runtimes=("php", "python", "typescript", "go", "java", "rust", "external"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Bearer tokens by role; `legacy` is the one of the time before roles."""

    worker: str | None = field(default=None, repr=False)
    operator: str | None = field(default=None, repr=False)
    admin: str | None = field(default=None, repr=False)
    legacy: str | None = field(default=None, repr=False)

    @property
    def any_role(self) -> bool:
        return any((self.worker, self.operator, self.admin))


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the engine's package came from: the one build identity that nobody sets by hand."""

    source: str
    ref: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """One process's configuration; what is `None` takes the generation's default."""

    generation: Generation
    server_id: str = "emulator"
    version: str | None = None
    image: str | None = None
    marker: str | None = None
    supported_markers: Sequence[str] | None = None
    tokens: Tokens = field(default_factory=Tokens)
    auth_driver: str = "token"
    signature_keys: Tokens = field(default_factory=Tokens)
    auth_provider: str | None = None
    auth_backward_compatible: bool = True
    default_namespace: str = "default"
    poll_timeout_s: int = 30
    long_polls_at_most: int | None = None  # held at a time; the stock image of 2.x says 2
    terse: bool = False
    """Manifests without what no client of a rollout reads: for simulations, which parse thousands."""
    stale_after_override_s: int | None = None
    heartbeat_interval_s: int = 10
    workflow_lease_s: float | None = None
    activity_lease_s: float | None = None
    fleet_validation: FleetValidation = FleetValidation.WARN
    compatibility_ttl_s: int = 30
    topology_shape: str = "standalone_server"
    process_class: str = "server_http_node"
    queue_wake: bool = True
    provenance: Provenance | None = None
    worker_protocol: str | None = None
    conditions: frozenset[Condition] = frozenset()
    backend_address: str = "127.0.0.1:5432"

    @property
    def credentials(self) -> Tokens:
        """What the auth driver compares with: keys of signatures, or tokens."""
        return self.signature_keys if self.auth_driver == "signature" else self.tokens

    @property
    def rules(self) -> Rules:
        return RULES[self.generation]

    @property
    def stale_after_s(self) -> int:
        """Seconds without a heartbeat after which this process calls a worker stale."""
        if self.stale_after_override_s is not None:
            return self.stale_after_override_s
        if self.generation is Generation.V0_2:
            return max(2 * self.poll_timeout_s, 60)
        return max(3 * self.heartbeat_interval_s, 30)

    @property
    def workflow_lease_length_s(self) -> float:
        if self.workflow_lease_s is not None:
            return self.workflow_lease_s
        return 300 if self.generation is Generation.V0_2 else 60

    @property
    def activity_lease_length_s(self) -> float:
        return 300 if self.activity_lease_s is None else self.activity_lease_s

    @property
    def shown_version(self) -> str:
        return self.rules.default_version if self.version is None else self.version

    @property
    def image_version(self) -> str:
        """The release this process's code is, which `version` may misreport."""
        return self.image or self.version or self.rules.default_image

    @property
    def protocol(self) -> str:
        return self.worker_protocol or self.rules.default_protocol

    def meets(self, condition: Condition) -> bool:
        return condition in self.conditions
