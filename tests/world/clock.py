"""As `rollout_kit.simulation.clock`, for tests that still ask for it here."""

from rollout_kit.simulation.clock import *  # noqa: F403
