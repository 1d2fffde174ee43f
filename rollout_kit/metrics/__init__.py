"""Numbers from elsewhere, each an adapter of `ports.metrics`."""
