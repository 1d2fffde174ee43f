"""Workflow servers, each an adapter of `ports.engine`."""
