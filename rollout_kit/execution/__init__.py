"""Doing it: decide and rollback are pure, observe and preview read, the executor acts."""
