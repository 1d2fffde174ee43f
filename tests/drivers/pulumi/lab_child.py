"""The child that carries out a change, looking for lab objects where it would look in a cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rollout_kit.drivers.pulumi import update
from rollout_kit.drivers.pulumi.marks import Object
from rollout_kit.drivers.pulumi.recovery import Absence, Found


class World:
    """A lab object is a file `<name>-<n>`."""

    def find(self, item: Object) -> Found:
        name = item.urn.rpartition("::")[2]
        found = sorted(Path(os.environ["LAB_WORLD"]).glob(f"{name}-*"))
        return found[-1].name.removesuffix(".json") if found else Absence.ABSENT

    def remove(self, item: Object) -> None:
        name = self.find(item)
        for path in Path(os.environ["LAB_WORLD"]).glob(f"{name}*"):
            path.unlink()

    def obstacle(self, item: Object) -> None:
        """Nothing here is a Job."""


if __name__ == "__main__":
    code = update.main(sys.argv[1:], World())
    sys.stdout.flush()
    os._exit(code)
