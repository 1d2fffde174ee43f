"""What a server was seen to do. Planner, operations and preview branch on these, never on versions."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """A thing some servers can do; each is derived from something a read shows (rule 18)."""

    PROMOTE = "promote"  # build-id rows carry `new_start_selected`: selector routing
    MARKER_ROUTING = "marker-routing"  # no selector: the API node's marker pins new runs
    DRAIN_REFUSES_POLLS = "drain-refuses-polls"  # follows from `new_start_selected`
    PINNED_START = "pinned-start"  # a start may name a build itself; follows likewise
    TOPOLOGY = "topology"  # cluster info has a topology block
