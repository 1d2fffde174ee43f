"""From what a program registers to what is done: same, create, update, replace, delete."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from . import values
from .backend import now
from .failure import Failure, OperationFailed
from .goals import Goal, resource_of, touches, urn_of, with_ignored
from .operations import OperationEnded, Operations, Stopped
from .providers.api import Change, Provider
from .providers.registry import Providers
from .snapshot import Resource

NO_CHANGE = Change()


@dataclass
class Options:
    """The flags of one update that change what is done."""

    targets: list[str] = field(default_factory=list)
    excludes: list[str] = field(default_factory=list)
    target_dependents: bool = False
    replaces: list[str] = field(default_factory=list)
    continue_on_error: bool = False
    exclude_protected: bool = False


@dataclass
class Registered:
    """The answer to a registration. `unknown`: it was left out, its outputs are not known."""

    resource: Resource
    unknown: bool = False
    failed: bool = False


class Deployment:
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

    def _go_on(self) -> None:
        if self.ops.stopped or self.ops.cancelled.is_set():
            raise Stopped

    def _refuse(self, urn: str, text: str) -> None:
        self.ops.stream.diagnostic("error", text, urn)
        self.ops.failed = True
        self.refused = True
        self.ops.stop()
        raise Stopped

    refused = False

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
            self._settle(op, old, new)
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

    def _settle(self, op: str, old: Resource | None, new: Resource, count: bool = True) -> None:
        self.ops.snapshot.settle(old, new)
        self.seen[new["urn"]] = new
        if count:
            self.ops.counts[op] += 1

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

            change = Change(shallow(values.reveal(old["inputs"]), values.reveal(new["inputs"])))
        if old is not None:
            new["created"] = old.get("created", "")
        self.ops.pre(op, old, {**new, "id": "", "outputs": {}}, change)
        self._settle(op, old, new, count)
        if op != "same":
            self.ops.snapshot.write()
        self.ops.post(op, old, new, change)
        return new

    def _custom(
        self, goal: Goal, urn: str, old: Resource | None, reference: str, provider: Provider
    ) -> Registered:
        inputs = goal.inputs
        if old is not None and goal.ignore_changes:
            inputs = with_ignored(inputs, old.get("inputs") or {}, goal.ignore_changes)
        new = resource_of(goal, urn, inputs, reference, now())
        if not self._aimed_at(urn, old):
            return self._left_alone(old, new)
        checked, wrong = provider.check(self.ops.call(new), values.reveal(inputs))
        if wrong:
            with self.ops.lock:
                self._refuse(urn, _check_text(goal, urn, wrong))
        new["inputs"] = _rewrapped(checked, inputs)
        if goal.import_id and (old is None or old.get("id") != goal.import_id):
            return self._import(goal, old, new, provider)
        if old is None:
            return self._create(new, provider)
        plain = values.reveal(old.get("inputs") or {})
        change = provider.diff(
            self.ops.call(new), plain, values.reveal(old.get("outputs") or {}), checked
        )
        for path, kind in list(change.paths.items()):
            if touches(path, goal.replace_on_changes) and not kind.endswith("-replace"):
                change.paths[path] = f"{kind}-replace"
        if change.replaces or self._must_replace(urn):
            return self._replace(goal, old, new, change, provider)
        if change.paths or old.get("initErrors"):
            return self._update(old, new, change, provider)
        return self._same(old, new)

    def _must_replace(self, urn: str) -> bool:
        return any(fnmatchcase(urn, pattern) for pattern in self.options.replaces)

    def _aimed_at(self, urn: str, old: Resource | None) -> bool:
        if any(_matches(urn, one) for one in self.options.excludes):
            return False
        if not self.options.targets:
            return True
        if any(_matches(urn, one) for one in self.options.targets):
            return True
        if not self.options.target_dependents or old is None:
            return False
        return any(
            self._aimed_at(on, self.ops.snapshot.find(on)) for on in old.get("dependencies") or []
        )

    def _left_alone(self, old: Resource | None, new: Resource) -> Registered:
        with self.ops.lock:
            self._go_on()
            if old is None:
                return Registered({**new, "id": ""}, unknown=True)
            self.ops.pre("same", old, old, NO_CHANGE)
            self._settle("same", old, old)
            self.ops.post("same", old, old, NO_CHANGE)
            return Registered(old)

    def _same(self, old: Resource, new: Resource) -> Registered:
        kept = ("id", "outputs", "created", "modified", "external")
        shown = {**new, "id": ""}
        new |= {key: old[key] for key in kept if key in old}
        with self.ops.lock:
            self._go_on()
            self.ops.pre("same", old, shown, NO_CHANGE)
            self._settle("same", old, new)
            self.ops.post("same", old, new, NO_CHANGE)
        return Registered(new)

    def _create(self, new: Resource, provider: Provider, op: str = "create",
                old: Resource | None = None, change: Change = NO_CHANGE) -> Registered:  # fmt: skip
        call = self.ops.call(new, "create")
        plain = values.reveal(new["inputs"])

        def settle(id_: str, outputs: dict, reasons: list[str]) -> None:
            self._fill(new, id_, outputs, reasons)
            self.created.add(new["urn"])
            self._settle(op, None, new, count=op == "create" and not reasons)

        return self._run(op, old, new, change, lambda: provider.create(call, plain), settle)

    def _update(
        self, old: Resource, new: Resource, change: Change, provider: Provider
    ) -> Registered:
        call = self.ops.call(new, "update")
        new |= {"id": old.get("id", ""), "created": old.get("created", "")}
        plain, before = values.reveal(new["inputs"]), values.reveal(old.get("inputs") or {})
        after = values.reveal(old.get("outputs") or {})

        def settle(id_: str, outputs: dict, reasons: list[str]) -> None:
            self._fill(new, old.get("id", ""), outputs, reasons)
            if reasons:
                new["inputs"] = old.get("inputs") or {}
            self._settle("update", old, new, count=not reasons)

        return self._run(
            "update", old, new, change,
            lambda: (old["id"], provider.update(call, old["id"], before, after, plain)), settle,
        )  # fmt: skip

    def _run(
        self, op: str, old: Any, new: Resource, change: Change, work: Any, settle: Any
    ) -> Registered:
        try:
            self.ops.run(op, old, new, change, work, settle)
        except OperationEnded:
            if self.options.continue_on_error:
                return Registered(new, failed=True)
            self.ops.stop()
            raise Stopped from None
        return Registered(new)

    def _fill(self, new: Resource, id_: str, outputs: dict, reasons: list[str]) -> None:
        new["id"] = id_
        secret = new.get("additionalSecretOutputs") or []
        new["outputs"] = values.resecret(outputs, new["inputs"], [*secret, "secretOut"])
        new["initErrors"] = reasons
        new["modified"] = now()

    def _replace(
        self, goal: Goal, old: Resource, new: Resource, change: Change, provider: Provider
    ) -> Registered:
        if old.get("protect"):
            text = (
                f'unable to replace resource "{old["urn"]}"\nas it is currently marked for protection. '
                "To unprotect the resource, remove the `protect` flag from the resource in your Pulumi "
                "program and run `pulumi up`"
            )
            with self.ops.lock:
                self._refuse(old["urn"], text)
        provider.check(self.ops.call(new), values.reveal(new["inputs"]))
        first = goal.delete_first or change.delete_first
        if first:
            self.delete(old, "delete-replaced", keep_name=True)
            self._said_replace(old, new, change)
        result = self._create(new, provider, "create-replacement", old, change)
        if not result.failed:
            self.ops.counts["replace"] += 1
            if not first:
                self._said_replace(old, new, change)
                with self.ops.lock:
                    self.ops.snapshot.replace(old, {**old, "delete": True})
        return result

    def _said_replace(self, old: Resource, new: Resource, change: Change) -> None:
        with self.ops.lock:
            self.ops.pre("replace", old, new, change)
            self.ops.post("replace", old, new, change)

    def _import(
        self, goal: Goal, old: Resource | None, new: Resource, provider: Provider
    ) -> Registered:
        found = provider.read(self.ops.call(new), goal.import_id, {}, {})
        if found is None:
            with self.ops.lock:
                self._refuse(
                    new["urn"], f"Preview failed: resource '{goal.import_id}' does not exist"
                )
        assert found is not None
        change = provider.diff(
            self.ops.call(new), found.inputs, found.outputs, values.reveal(new["inputs"])
        )
        if change.paths:
            text = (
                "inputs to import do not match the existing resource: "
                f"importing this resource will fail: {sorted(change.paths)}"
            )
            with self.ops.lock:
                self._refuse(new["urn"], text)

        def settle(id_: str, outputs: dict, reasons: list[str]) -> None:
            self._fill(new, id_, outputs, reasons)
            self._settle("import", old, new)

        return self._run(
            "import", old, new, NO_CHANGE, lambda: (goal.import_id, found.outputs), settle
        )

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
            if op == "delete" and not _is_default_provider(old):
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
        """What the state has and the program did not register, dependents first."""
        for old in reversed(list(self.ops.snapshot.old)):
            if not self._aimed_at(old["urn"], old):
                continue
            if self.options.exclude_protected and old.get("protect"):
                continue
            self.delete(old, "delete-replaced" if old.get("delete") else "delete")
        for old in [one for one in self.ops.snapshot.new if one.get("delete")]:
            self.delete(old, "delete-replaced")

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
            self._settle("read", old, new)
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
            if not any(_matches(urn, target) for urn in known):
                raise Failure(f"Target '{target}' could not be found in the stack.")


def _matches(urn: str, pattern: str) -> bool:
    return urn == pattern or ("*" in pattern and fnmatchcase(urn, pattern))


def _equal(old: Resource, new: Resource) -> bool:
    return values.reveal(old.get("inputs") or {}) == values.reveal(new["inputs"])


def _is_default_provider(old: Resource) -> bool:
    name = old["urn"].rpartition("::")[2]
    return old["type"].startswith("pulumi:providers:") and name.startswith("default")


def _rewrapped(checked: dict, given: dict) -> dict:
    """Checked inputs with the secrets of the given ones."""
    return {
        key: given[key] if key in given and values.reveal(given[key]) == value
        else values.resecret({key: value}, given, [])[key]
        for key, value in checked.items()
    }  # fmt: skip


def _check_text(goal: Goal, urn: str, wrong: list[tuple[str, str]]) -> str:
    shown = {key: values.mask(value) for key, value in goal.inputs.items()}
    return "\n".join(
        f"{goal.type} resource '{goal.name}': property {key} value {{{shown.get(key)}}} has a problem: "
        f"{reason}" if key else f"{goal.type} resource '{goal.name}' has a problem: {reason}"
        for key, reason in wrong
    )  # fmt: skip


def _protected(urn: str) -> str:
    return (
        f'resource "{urn}" cannot be deleted\nbecause it is protected. To unprotect the resource, '
        "either remove the `protect` flag from the resource in your Pulumi program and run "
        f"`pulumi up`, or use the command:\n`pulumi state unprotect '{urn}'`"
    )
