"""The program as one function, for `pulumi up` and for a rollout that runs it inline."""

from small_cluster.fleet import fleet

__all__ = ["fleet"]
