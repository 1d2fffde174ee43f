"""As `rollout_kit.simulation.world`, for tests that still ask for it here."""

from rollout_kit.simulation.world import *  # noqa: F403
