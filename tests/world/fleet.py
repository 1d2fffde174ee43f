"""As `rollout_kit.simulation.fleet`, for tests that still ask for it here."""

from rollout_kit.simulation.fleet import *  # noqa: F403
