"""Real programs for tests: built from pinned Go modules, and run on loopback."""
