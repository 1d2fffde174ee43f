"""A fleet of ordinary processes on one host, described by a fleet file.

`driver` is the adapter. Every change is carried out by a child (`drivers.work`) that goes on when
the tool dies; `settling` is what that child does here.
"""
