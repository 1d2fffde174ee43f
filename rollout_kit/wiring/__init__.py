"""The only place that chooses adapters and builds an executor."""
