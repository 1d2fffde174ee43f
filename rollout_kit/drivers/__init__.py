"""Adapters of `ports.infra`."""
