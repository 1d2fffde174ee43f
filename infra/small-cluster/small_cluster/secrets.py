"""Environment that is secret: kept in the stack's encrypted configuration, or in Secrets made elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pulumi

from small_cluster.objects import KubernetesObject
from small_cluster.settings import Settings

SERVER = "server_secret_environment"
WORKER = "worker_secret_environment"


def kept(config: pulumi.Config, settings: Settings) -> Settings:
    """Makes a Secret of each encrypted key that is set; the settings then name it with the others.

    Both keys are objects of texts: `pulumi config set --secret server_secret_environment '{...}'`.
    """
    server = _secret(config, settings, SERVER)
    worker = _secret(config, settings, WORKER)
    return replace(
        settings,
        server_secrets=settings.server_secrets + server,
        worker_secrets=settings.worker_secrets + worker,
    )


def _secret(config: pulumi.Config, settings: Settings, key: str) -> tuple[str, ...]:
    values = config.get_secret_object(key)
    if values is None:
        return ()
    name = key.replace("_", "-")
    KubernetesObject(
        name,
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": settings.namespace},
            "type": "Opaque",
            "stringData": values,
        },
        pulumi.ResourceOptions(),
    )
    return (name,)
