"""Deciding what: (document, observation, capabilities) -> operations. Pure."""
