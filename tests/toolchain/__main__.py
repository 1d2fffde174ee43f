"""`python -m tests.toolchain`: build the control plane and print where its programs are.

In CI (`CI` is set) a missing Go is a failure; elsewhere it is said, and the exit status is 3.
"""

from __future__ import annotations

import os
import sys
import time

from tests.toolchain.build import MissingError, build

LEFT_OUT = 3


def main() -> int:
    began_s = time.monotonic()
    try:
        places = build()
    except MissingError as error:
        print(error, file=sys.stderr)
        return 1 if os.environ.get("CI") else LEFT_OUT
    except KeyboardInterrupt:
        print("interrupted: what is built stays, the rest is built next time", file=sys.stderr)
        return 130
    for name, path in places.items():
        print(f"{name}: {path}")
    print(f"ready after {time.monotonic() - began_s:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
