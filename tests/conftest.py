"""What tests of several folders use."""

from __future__ import annotations

import signal

from tests.toolchain.fixtures import cluster, space

__all__ = ["cluster", "space"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts into the background like this, and every child would inherit it:
    # programs that tests ask to stop could not hear it. The command line always listens by itself.
    signal.signal(signal.SIGINT, signal.default_int_handler)
