"""Adapters of `ports.infra`: what starts, stops and counts the processes of a fleet."""
