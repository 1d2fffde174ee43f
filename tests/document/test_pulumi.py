"""`infra: {driver: pulumi}` and `${stack:}`: what the section holds, and where an output may stand."""

from __future__ import annotations

import pytest

from rollout_kit.document.plan import PulumiInfra
from rollout_kit.document.read import read_canonical
from rollout_kit.document.substitute import Purpose
from tests.document.plans import changed, read, told

STACK = "{driver: pulumi, program: ../infra/small-cluster, stack: acme/orders/prod}"
FLEET = "{driver: process, fleet: fleet.yaml}"
ONE = '"http://api-1:8080"'


def test_a_stack_is_named_and_the_rest_has_defaults() -> None:
    reading = read(changed((FLEET, STACK)))
    assert told(reading) == []
    assert reading.document is not None
    assert reading.document.infra == PulumiInfra(
        program="../infra/small-cluster",
        stack="acme/orders/prod",
        backend="",
        kubeconfig="",
        context="",
        allow=(),
        state=".rollout-kit/pulumi",
    )


def test_everything_can_be_said() -> None:
    said = (
        "{driver: pulumi, program: fleet.py:main, stack: dev, backend: 'file:///var/pulumi', "
        "kubernetes: {kubeconfig: kube.yaml, context: prod}, allow: ['urn:*:Service::front'], "
        "state: .changes}"
    )
    reading = read(changed((FLEET, said)))
    assert reading.document is not None
    infra = reading.document.infra
    assert isinstance(infra, PulumiInfra)
    assert (infra.program, infra.backend, infra.kubeconfig, infra.context) == (
        "fleet.py:main",
        "file:///var/pulumi",
        "kube.yaml",
        "prod",
    )
    assert infra.allow == ("urn:*:Service::front",)


def test_what_waits_for_the_environment_is_not_read() -> None:
    waiting = STACK.replace("acme/orders/prod", '"${env:NOWHERE}"')
    reading = read(changed((FLEET, waiting)), purpose=Purpose.PREVIEW)
    assert reading.document is not None
    assert isinstance(reading.document.infra, PulumiInfra)
    assert reading.document.infra.waits


@pytest.mark.parametrize(
    "wrong",
    [
        "{driver: pulumi, stack: dev}",
        "{driver: pulumi, program: x}",
        "{driver: pulumi, program: x, stack: 'a/b/c/d'}",
        "{driver: pulumi, program: x, stack: dev, fleet: fleet.yaml}",
        "{driver: pulumi, program: x, stack: dev, kubernetes: {namespace: x}}",
    ],
)
def test_what_the_schema_does_not_know_is_refused(wrong: str) -> None:
    assert read(changed((FLEET, wrong))).errors


def test_a_nodes_address_may_be_an_output_of_the_stack_and_stays_a_reference() -> None:
    reading = read(changed((FLEET, STACK), (ONE, '"${stack:nodes.api-1.url}"')))
    assert told(reading) == []
    assert reading.document is not None
    assert reading.document.target.nodes[0].url == "${stack:nodes.api-1.url}"
    again = read_canonical(reading.document.canonical)
    assert again.target.nodes[0].url == "${stack:nodes.api-1.url}"


@pytest.mark.parametrize(
    ("infra", "old", "new", "words"),
    [
        (FLEET, ONE, '"${stack:nodes.api-1.url}"', "this plan's driver has none"),
        (STACK, ONE, '"${stack:}"', "but not by a path"),
        (STACK, "http://api:8080", '"${stack:front.url}"', "only target.nodes[].url can"),
        (STACK, "acme/orders/prod", '"${stack:name}"', "only target.nodes[].url can"),
    ],
)
def test_elsewhere_there_is_no_output_of_a_stack(
    infra: str, old: str, new: str, words: str
) -> None:
    reading = read(changed((FLEET, infra)).replace(old, new, 1))
    assert [one.code for one in reading.errors] == ["stack-reference"]
    assert words in reading.errors[0].detail
