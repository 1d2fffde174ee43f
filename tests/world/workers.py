"""As `rollout_kit.simulation.workers`, for tests that still ask for it here."""

from rollout_kit.simulation.workers import *  # noqa: F403
