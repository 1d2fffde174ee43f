"""One Kubernetes object as a resource, given as the manifest that people know.

The generated classes of `pulumi_kubernetes` describe the same resources, but importing those of the
core group takes most of a second at each run, and a manifest is what the API server's own schemas
judge. The provider is the package's, in the package's version.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, cast

import pulumi

Manifest = dict[str, Any]

PATCH = "Patch"


class KubernetesObject(pulumi.CustomResource):
    """Created, changed and deleted as the manifest says."""

    def __init__(
        self, name: str, manifest: Manifest, opts: pulumi.ResourceOptions, suffix: str = ""
    ) -> None:
        group = manifest["apiVersion"] if "/" in manifest["apiVersion"] else "core/v1"
        super().__init__(
            f"kubernetes:{group}:{manifest['kind']}{suffix}",
            name,
            manifest,
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(version=version("pulumi-kubernetes"))
            ),
        )


class KubernetesPatch(KubernetesObject):
    """Some fields of an object that something else made and owns."""

    def __init__(self, name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> None:
        super().__init__(name, manifest, opts, suffix=PATCH)


def urns(*resources: pulumi.Resource) -> tuple[str, ...]:
    """Their URNs, for the stack contract: promises, which the engine keeps when it takes the output."""
    return cast("tuple[str, ...]", tuple(resource.urn for resource in resources))
