"""rollout-kit: replace a running workflow fleet without losing work."""

__version__ = "0.1.0"
