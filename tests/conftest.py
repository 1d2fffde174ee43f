"""What tests of several folders use."""

from __future__ import annotations

from tests.toolchain.fixtures import cluster, space

__all__ = ["cluster", "space"]
