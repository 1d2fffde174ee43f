"""Protocols only, readers apart from writers: whatever may not write gets a type that cannot."""
