"""Fixtures of other packages that tests of programs take."""

from __future__ import annotations

from tests.standin.fixtures import real_or_standin

__all__ = ["real_or_standin"]
