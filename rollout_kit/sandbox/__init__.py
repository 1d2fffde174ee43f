"""A whole fleet of real processes on this machine, with work on it, to try everything on.

`fleet.up` starts it, `fleet.down` leaves nothing of it; `worker` and `load` are its own programs.
"""
