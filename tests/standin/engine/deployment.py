"""From what a program registers to what is done: same, create, update, replace, delete."""

from __future__ import annotations

import uuid
from typing import Any

from . import values
from .backend import now
from .custom import NO_CHANGE, Registered, Steps
from .failure import Failure, OperationFailed
from .goals import Goal, resource_of, urn_of
from .operations import OperationEnded, Operations, Stopped
from .options import Options, matches
from .providers.api import Change, Provider
from .providers.registry import Providers
from .snapshot import Resource


class Deployment(Steps):
    def __init__(self, operations: Operations, stack: str, project: str, options: Options) -> None:
        self.ops, self.stack, self.project, self.options = operations, stack, project, options
        self.providers = Providers()
        self.seen: dict[str, Resource] = {}
        self.root: Resource | None = None
        self.created: set[str] = set()
        self._urns: set[str] = set()
        self.old_outputs: dict[str, Any] = {}

    def register(self, goal: Goal) -> Registered:
        """Raises Stopped where the deployment ends."""
        with self.ops.lock:
            self._go_on()
            urn = urn_of(goal, self.stack, self.project)
            if urn in self._urns:
                self._refuse(urn, f"Duplicate resource URN '{urn}'; try giving it a unique name")
            self._urns.add(urn)
            old = self._old(urn, goal)
        if not goal.custom:
            return self._component(goal, urn, old)
        if goal.is_provider:
            return self._explicit_provider(goal, urn, old)
        reference, provider = self._provider_of(goal)
        return self._custom(goal, urn, old, reference, provider)

    def _old(self, urn: str, goal: Goal) -> Resource | None:
        for one in (urn, *goal.aliases):
            found = self.ops.snapshot.find(one)
            if found is not None:
                return found
        return None

    def _component(self, goal: Goal, urn: str, old: Resource | None) -> Registered:
        new = resource_of(goal, urn, goal.inputs, "", now())
        op = "create" if old is None else "same" if _equal(old, new) else "update"
        if old is not None:
            new |= {"outputs": old.get("outputs") or {}, "created": old.get("created", "")}
        with self.ops.lock:
            self._go_on()
            if goal.is_stack:
                self.root = new
                self.old_outputs = dict((old or {}).get("outputs") or {})
            shown = {**new, "outputs": {}}
            self.ops.pre(op, old, shown, NO_CHANGE)
            self.settle(op, old, new)
            if self.ops.preview:
                self.ops.post(op, old, shown, NO_CHANGE)
            elif op == "create":
                self.ops.snapshot.write()
        self._component_ops[urn] = (op, old)
        return Registered(new)

    @property
    def _component_ops(self) -> dict[str, tuple[str, Resource | None]]:
        return self.__dict__.setdefault("_components", {})

    def register_outputs(self, urn: str, outputs: dict[str, Any]) -> None:
        with self.ops.lock:
            resource = self.seen.get(urn)
            if resource is None:
                return
            resource["outputs"] = outputs
            op, old = self._component_ops[urn]
            self.ops.post(op, old, resource, NO_CHANGE)
            self.ops.snapshot.write()

    def _provider_of(self, goal: Goal) -> tuple[str, Provider]:
        if goal.provider:
            urn, _, _ = goal.provider.rpartition("::")
            inputs = values.reveal(self.seen[urn]["inputs"]) if urn in self.seen else {}
            return goal.provider, self._built(goal, inputs)
        name = "default" + (f"_{goal.version}" if goal.version else "").replace(".", "_")
        urn = f"urn:pulumi:{self.stack}::{self.project}::pulumi:providers:{goal.package}::{name}"
        built = self._built(goal, {})
        with self.ops.lock:
            self._go_on()
            resource = self.seen.get(urn)
            if resource is None:
                inputs = {"__internal": {}} | ({"version": goal.version} if goal.version else {})
                given = Goal(f"pulumi:providers:{goal.package}", name, custom=True, inputs=inputs)
                resource = self._provider_resource(given, urn, count=False)
        return f"{urn}::{resource['id']}", built

    def _built(self, goal: Goal, inputs: dict) -> Provider:
        try:
            return self.providers.get(goal.package, goal.version, inputs)
        except OperationFailed as wrong:
            with self.ops.lock:
                self._refuse(urn_of(goal, self.stack, self.project), str(wrong))
            raise

    def _explicit_provider(self, goal: Goal, urn: str, old: Resource | None) -> Registered:
        version = {"version": goal.version} if goal.version else {}
        goal.inputs = {"__internal": {}, **goal.inputs, **version}
        with self.ops.lock:
            self._go_on()
            return Registered(self._provider_resource(goal, urn, count=True))

    def _provider_resource(self, goal: Goal, urn: str, *, count: bool) -> Resource:
        old = self.ops.snapshot.find(urn)
        new = resource_of(goal, urn, goal.inputs, "", now())
        new["outputs"] = {key: value for key, value in goal.inputs.items() if key != "__internal"}
        new["id"] = old["id"] if old else str(uuid.uuid4())
        op = "create" if old is None else "same" if _equal(old, new) else "update"
        change = NO_CHANGE
        if op == "update" and old is not None:
            from .providers.api import shallow

            paths = shallow(values.reveal(old["inputs"]), values.reveal(new["inputs"]))
            change = Change(paths, detailed=False)
        if old is not None:
            new["created"] = old.get("created", "")
        self.ops.pre(op, old, {**new, "id": "", "outputs": {}}, change)
        self.settle(op, old, new, count)
        if op != "same":
            self.ops.snapshot.write()
        self.ops.post(op, old, new, change)
        return new

    def delete(self, old: Resource, op: str = "delete", *, keep_name: bool = False) -> None:
        """Out of the world and the state. Raises OperationEnded where it fails."""
        plain = values.reveal(old.get("outputs") or {})

        def work() -> tuple[str, dict]:
            if old.get("protect"):
                raise OperationFailed(_protected(old["urn"]))
            owner = self._owner(old)
            spared = old.get("retainOnDelete") or self._goes_along(old)
            if owner is not None and not self.ops.preview and not spared:
                owner.delete(self.ops.call(old, "delete"), old.get("id", ""), plain)
            return "", {}

        def settle(id_: str, outputs: dict, reasons: list[str]) -> None:
            self.ops.snapshot.settle(old, None)
            if op == "delete" and not is_default_provider(old):
                self.ops.counts["delete"] += 1

        self.ops.run(op, old, None, NO_CHANGE, work, settle)
        if keep_name:
            self.seen.pop(old["urn"], None)

    def _goes_along(self, old: Resource) -> bool:
        with_ = old.get("deletedWith")
        return bool(with_) and with_ not in self.seen

    def _owner(self, old: Resource) -> Provider | None:
        if not old.get("custom") or old["type"].startswith("pulumi:providers:"):
            return None
        return self.provider_in_state(old)

    def provider_in_state(self, old: Resource) -> Provider:
        """The provider that a resource of the state refers to."""
        urn = (old.get("provider") or "").rpartition("::")[0]
        holder = self.seen.get(urn) or self.ops.snapshot.find(urn) or {"inputs": {}}
        inputs = values.reveal(holder["inputs"])
        return self.providers.get(old["type"].partition(":")[0], inputs.get("version", ""), inputs)

    def delete_the_rest(self) -> None:
        """What the state has and the program did not register, dependents first.

        What does not depend on each other is deleted even if one of them fails; then it ends.
        """
        left = [one for one in self.ops.snapshot.resources() if self._goes(one)]
        while left:
            leaves = [one for one in left if not any(_leans_on(other, one) for other in left)]
            failure: OperationEnded | None = None
            for old in reversed(leaves):
                try:
                    self.delete(old, "delete-replaced" if old.get("delete") else "delete")
                except OperationEnded as wrong:
                    failure = wrong
            if failure is not None:
                raise failure
            left = [one for one in left if not any(one is gone for gone in leaves)]

    def _goes(self, one: Resource) -> bool:
        if not one.get("delete") and any(one is new for new in self.ops.snapshot.new):
            return False
        return self.aimed_at(one["urn"], one) and one["urn"] not in self.kept

    @property
    def kept(self) -> set[str]:
        """With --exclude-protected: the protected ones, and all that they need."""
        if not self.options.exclude_protected:
            return set()
        return needed_by_protected(self.ops.snapshot.resources())

    def read(self, goal: Goal, id_: str) -> Resource:
        """A resource that the program only looks at. Raises Stopped where it does not exist."""
        reference, provider = self._provider_of(goal)
        urn = urn_of(goal, self.stack, self.project)
        new = resource_of(goal, urn, goal.inputs, reference, now())
        old = self.ops.snapshot.find(urn)
        found = provider.read(self.ops.call(new), id_, values.reveal(goal.inputs), {})
        with self.ops.lock:
            if found is None:
                self._refuse(urn, f"resource '{id_}' does not exist")
                raise Stopped
            new |= {"id": id_, "inputs": {}, "external": True}
            new["outputs"] = values.resecret(found.outputs, goal.inputs, [])
            self.ops.pre("read", old, new, NO_CHANGE)
            self.settle("read", old, new)
            self.ops.post("read", old, new, NO_CHANGE)
        return new

    def invoke(self, goal: Goal, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raises OperationFailed."""
        _, provider = self._provider_of(goal)
        return provider.invoke(goal.type, values.reveal(arguments))

    def require_targets(self) -> None:
        """Targets that neither the state nor the program knows are an error."""
        known = {one["urn"] for one in self.ops.snapshot.resources()} | self._urns
        for target in [*self.options.targets, *self.options.excludes]:
            if not any(matches(urn, target) for urn in known):
                raise Failure(f"Target '{target}' could not be found in the stack.")


def _equal(old: Resource, new: Resource) -> bool:
    return values.reveal(old.get("inputs") or {}) == values.reveal(new["inputs"])


def is_default_provider(old: Resource) -> bool:
    name = old["urn"].rpartition("::")[2]
    return old["type"].startswith("pulumi:providers:") and name.startswith("default")


def _protected(urn: str) -> str:
    return (
        f'resource "{urn}" cannot be deleted\nbecause it is protected. To unprotect the resource, '
        "either remove the `protect` flag from the resource in your Pulumi program and run "
        f"`pulumi up`, or use the command:\n`pulumi state unprotect '{urn}'`"
    )


def needed_by_protected(resources: list[Resource]) -> set[str]:
    """The protected ones, and all that they need."""
    found: set[str] = set()
    for one in reversed(resources):
        if one.get("protect") or one["urn"] in found:
            found |= {one["urn"], *_needs(one)}
    return found


def _needs(one: Resource) -> set[str]:
    provider = (one.get("provider") or "").rpartition("::")[0]
    return {*(one.get("dependencies") or []), one.get("parent") or "", provider} - {""}


def _leans_on(other: Resource, one: Resource) -> bool:
    return other is not one and one["urn"] in _needs(other)
