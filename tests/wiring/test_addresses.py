"""A node's address that its stack gives is looked up when it is used."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rollout_kit.model.operation import Announcement, InfraProgram
from rollout_kit.ports.errors import InFlight, Refused, Trouble
from rollout_kit.wiring.addresses import Addresses

URLS = {"api-1": "http://api-1:8080", "api-2": "${stack:nodes.api-2.url}/under"}


class Stack:
    def __init__(self, outputs: Mapping[str, object]) -> None:
        self.outputs = outputs
        self.busy = False

    def program(self) -> InfraProgram:
        return InfraProgram(path="", commit="", digest="")

    def binding(self) -> Mapping[str, str]:
        return {}

    def hold_to(self, announced: tuple[Announcement, ...], program: InfraProgram | None) -> None:
        pass

    def put_back_by(self, program: InfraProgram) -> str:
        return ""

    def output(self, path: tuple[str, ...]) -> object:
        if self.busy:
            raise InFlight("the stack is being read")
        return self.outputs.get(".".join(path))


def test_what_the_plan_writes_needs_no_stack_and_what_moves_is_followed() -> None:
    addresses = Addresses(URLS)
    assert addresses["api-1"] == "http://api-1:8080"
    addresses.stack = Stack({"nodes.api-2.url": "http://10.0.0.7:8080"})
    assert addresses["api-2"] == "http://10.0.0.7:8080/under"
    addresses.stack = Stack({"nodes.api-2.url": "http://10.0.0.8:8080"})
    assert addresses["api-2"] == "http://10.0.0.8:8080/under"
    assert sorted(addresses) == ["api-1", "api-2"]


@pytest.mark.parametrize("given", [{}, {"nodes.api-2.url": ""}, {"nodes.api-2.url": 7}])
def test_an_output_that_is_not_there_is_named_with_its_place(given: Mapping[str, object]) -> None:
    addresses = Addresses(URLS)
    addresses.stack = Stack(given)
    with pytest.raises(Refused) as refused:
        addresses["api-2"]
    sentence = "target.nodes[1].url of api-2: the stack gives no nodes.api-2.url"
    assert refused.value.message == sentence
    assert refused.value.trouble is Trouble.NOT_FOUND


def test_without_a_connected_stack_the_reason_is_said_and_a_slow_one_is_awaited() -> None:
    addresses = Addresses(URLS)
    with pytest.raises(Refused, match="waits for the stack, which is not connected"):
        addresses["api-2"]
    slow = Stack({})
    slow.busy = True
    addresses.stack = slow
    with pytest.raises(InFlight):
        addresses["api-2"]
