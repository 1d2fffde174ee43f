"""The program as one function, for `pulumi up` and for a rollout that runs it inline."""

from single_host.fleet import fleet

__all__ = ["fleet"]
