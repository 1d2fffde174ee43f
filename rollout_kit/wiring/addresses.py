"""The addresses of a target's nodes: as the plan has them, or as its stack gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from rollout_kit.ports.errors import Refused, Trouble
from rollout_kit.ports.infra import Programmed

_REFERENCE = re.compile(r"\$\{stack:([^\s{}]+)\}")


class Addresses(Mapping[str, str]):
    """Node to address. One that refers to the stack is looked up at every use: it may move."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self.stack: Programmed | None = None

    def __getitem__(self, node: str) -> str:
        """Raises KeyError; Refused where the stack gives no such output; InFlight while it is read."""

        def value(found: re.Match[str]) -> str:
            return self._value(found, node)

        return _REFERENCE.sub(value, self._urls[node])

    def __iter__(self) -> Iterator[str]:
        return iter(self._urls)

    def __len__(self) -> int:
        return len(self._urls)

    def _value(self, found: re.Match[str], node: str) -> str:
        number = list(self._urls).index(node)
        where = f"target.nodes[{number}].url of {node}"
        if self.stack is None:
            raise Refused(
                f"{where} waits for the stack, which is not connected",
                why=f"{found[0]} stands there.",
                hint="set what the plan's infra section refers to",
                trouble=Trouble.AUTH,
            )
        value = self.stack.output(tuple(found[1].split(".")))
        if isinstance(value, str) and value:
            return value
        raise Refused(
            f"{where}: the stack gives no {found[1]}",
            why=f"{found[0]} stands there, and so nobody can reach the node on its own.",
            hint="let the program give it in its output `fleet`, or write the address",
            trouble=Trouble.NOT_FOUND,
        )
