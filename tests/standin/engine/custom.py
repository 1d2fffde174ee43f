"""What is done for one resource of a provider: same, create, update, replace, import."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from . import values
from .backend import now
from .goals import Goal, resource_of, touches, with_ignored
from .operations import OperationEnded, Operations, Stopped
from .options import Options, matches
from .providers.api import Change, Provider
from .snapshot import Resource

NO_CHANGE = Change()


@dataclass
class Registered:
    """The answer to a registration. `unknown`: it was left out, its outputs are not known."""

    resource: Resource
    unknown: bool = False
    failed: bool = False


class Steps:
    """The half of a deployment that provider resources go through."""

    ops: Operations
    options: Options
    seen: dict[str, Resource]
    refused = False

    def _go_on(self) -> None:
        if self.ops.stopped or self.ops.cancelled.is_set():
            raise Stopped

    def _refuse(self, urn: str, text: str) -> None:
        """An error before any operation: nothing more is begun."""
        self.ops.stream.diagnostic("error", text, urn)
        self.ops.failed = True
        self.refused = True
        self.ops.stop()
        raise Stopped

    def settle(self, op: str, old: Resource | None, new: Resource, count: bool = True) -> None:
        self.ops.snapshot.settle(old, new)
        self.seen[new["urn"]] = new
        if count:
            self.ops.counts[op] += 1

    def delete(self, old: Resource, op: str = "delete", *, keep_name: bool = False) -> None:
        raise NotImplementedError

    def _custom(
        self, goal: Goal, urn: str, old: Resource | None, reference: str, provider: Provider
    ) -> Registered:
        inputs = goal.inputs
        if old is not None and goal.ignore_changes:
            inputs = with_ignored(inputs, old.get("inputs") or {}, goal.ignore_changes)
        new = resource_of(goal, urn, inputs, reference, now())
        hopeless = not self.ops.preview and values.has_unknown(inputs)  # of what failed before
        if hopeless or not self.aimed_at(urn, old):
            return self._left_alone(old, new)
        checked, wrong = provider.check(self.ops.call(new), values.reveal(inputs))
        if wrong:
            with self.ops.lock:
                self._refuse(urn, _check_text(goal, urn, wrong))
        new["inputs"] = _rewrapped(checked, inputs, _hidden(new))
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

    def aimed_at(self, urn: str, old: Resource | None) -> bool:
        if any(matches(urn, one) for one in self.options.excludes):
            return False
        if not self.options.targets:
            return True
        if any(matches(urn, one) for one in self.options.targets):
            return True
        if not self.options.target_dependents or old is None:
            return False
        return any(
            self.aimed_at(on, self.ops.snapshot.find(on)) for on in old.get("dependencies") or []
        )

    def _left_alone(self, old: Resource | None, new: Resource) -> Registered:
        with self.ops.lock:
            self._go_on()
            if old is None:
                return Registered({**new, "id": ""}, unknown=True)
            self.ops.pre("same", old, old, NO_CHANGE)
            self.settle("same", old, old)
            self.ops.post("same", old, old, NO_CHANGE)
            return Registered(old)

    def _same(self, old: Resource, new: Resource) -> Registered:
        kept = ("id", "outputs", "created", "modified", "external")
        shown = {**new, "id": ""}
        new |= {key: old[key] for key in kept if key in old}
        with self.ops.lock:
            self._go_on()
            self.ops.pre("same", old, shown, NO_CHANGE)
            self.settle("same", old, new)
            self.ops.post("same", old, new, NO_CHANGE)
        return Registered(new)

    def _create(self, new: Resource, provider: Provider, op: str = "create",
                old: Resource | None = None, change: Change = NO_CHANGE) -> Registered:  # fmt: skip
        call = self.ops.call(new, "create")
        plain = values.reveal(new["inputs"])

        def settle(id_: str, outputs: dict, reasons: list[str]) -> None:
            self._fill(new, id_, outputs, reasons)
            self.created.add(new["urn"])
            self.settle(op, None, new, count=op == "create" and not reasons)

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
            self.settle("update", old, new, count=not reasons)

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
        new["outputs"] = values.resecret(outputs, new["inputs"], [*secret, *_secrets_of(new)])
        if "__inputs" in outputs:
            new["outputs"]["__inputs"] = new["inputs"]
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
            self.settle("import", old, new)

        return self._run(
            "import", old, new, NO_CHANGE, lambda: (goal.import_id, found.outputs), settle
        )


def _rewrapped(checked: dict, given: dict, hidden: list[str]) -> dict:
    """Checked inputs with the secrets of the given ones, and those that always are."""
    return {
        key: given[key] if key in given and values.reveal(given[key]) == value
        else values.resecret({key: value}, given, hidden)[key]
        for key, value in checked.items()
    }  # fmt: skip


def _secrets_of(new: Resource) -> list[str]:
    """Outputs that are secret whatever the program says, or because they repeat a secret input."""
    return [*_hidden(new), "secretOut"]


def _hidden(new: Resource) -> list[str]:
    return ["data", "stringData"] if new["type"].endswith(":Secret") else []


def _check_text(goal: Goal, urn: str, wrong: list[tuple[str, str]]) -> str:
    shown = {key: values.mask(value) for key, value in goal.inputs.items()}
    return "\n".join(
        f"{goal.type} resource '{goal.name}': property {key} value {{{shown.get(key)}}} has a problem: "
        f"{reason}" if key else f"{goal.type} resource '{goal.name}' has a problem: {reason}"
        for key, reason in wrong
    )  # fmt: skip
