"""Applies what a program with dynamic providers registers, as an engine would, without one.

The providers are the very ones that the program sends, taken out of their serialised form: checked
against the last state, then created, updated or deleted. Children of what goes are deleted last.
"""

from __future__ import annotations

import base64
from typing import Any

import dill

from tests.infra.rendering import Registered, Rendered, loaded

PROVIDER = "__provider"
DYNAMIC = "pulumi-python:dynamic"


class Applied:
    """A stack: what was applied last, and what each resource came to."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._known: dict[str, tuple[str, dict[str, Any]]] = {}

    def update(self, rendered: Rendered) -> dict[str, str]:
        """Brings the machine to what was rendered. Returns what was done, by the resources' names."""
        done: dict[str, str] = {}
        with loaded(self._program):
            for urn, resource in rendered.resources.items():
                if resource.type.startswith(DYNAMIC):
                    self._one(urn, resource, done)
            for urn in [urn for urn in self._known if urn not in rendered.resources]:
                id_, olds = self._known.pop(urn)
                _provider(olds).delete(id_, olds)
                done[urn.rpartition("::")[2]] = "delete"
        return done

    def refresh(self) -> None:
        """Takes up what the machine shows."""
        with loaded(self._program):
            for urn, (id_, olds) in self._known.items():
                seen = _provider(olds).read(id_, olds).outs
                self._known[urn] = (id_, {**seen, PROVIDER: olds[PROVIDER]})

    def _one(self, urn: str, resource: Registered, done: dict[str, str]) -> None:
        news = dict(resource.inputs)
        provider = _provider(news)
        if urn not in self._known:
            made = provider.create(news)
            self._known[urn] = (made.id, {**made.outs, PROVIDER: news[PROVIDER]})
            done[resource.name] = "create"
            return
        id_, olds = self._known[urn]
        difference = provider.diff(id_, olds, news)
        assert not difference.replaces
        if difference.changes:
            outs = provider.update(id_, olds, news).outs
            self._known[urn] = (id_, {**outs, PROVIDER: news[PROVIDER]})
            done[resource.name] = "update"

    def known(self) -> list[str]:
        """The URNs that were applied."""
        return [*self._known]

    def output(self, name: str) -> dict[str, Any]:
        """What the resource of that name came to."""
        (found,) = [outs for urn, (_, outs) in self._known.items() if urn.endswith(f"::{name}")]
        return found


def _provider(properties: dict[str, Any]) -> Any:
    return dill.loads(base64.b64decode(properties[PROVIDER]))
