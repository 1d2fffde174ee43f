"""What an update says about itself: in its history entry, and of those before it."""

from __future__ import annotations

import os
import platform

from .arguments import Arguments
from .backend import VERSION

_SETTING = ("PULUMI_AUTOMATION_API", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE",
            "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_HOME", "PULUMI_K8S_CLIENT_QPS")  # fmt: skip


def environment(arguments: Arguments, runtime: dict[str, str]) -> dict[str, str]:
    """The flags and variables that an update was started with."""
    found = {
        "exec.kind": arguments.get("--exec-kind"),
        "pulumi.arch": "amd64",
        "pulumi.os": platform.system().lower(),
        "pulumi.version": VERSION,
        "runtime.name": "client" if arguments.get("--client") else "python",
        "stack.environments": "[]",
        "updatePlan": "false",
        **runtime,
    }
    for name, value in os.environ.items():
        if name.startswith("PULUMI_"):
            plain = value in ("true", "false") and name not in _SETTING
            found[f"pulumi.env.{name}"] = value if plain else "set"
    for flag in arguments.flags:
        found[f"pulumi.flag.{flag.lstrip('-')}"] = "true"
    for option, _ in arguments.options:
        found[f"pulumi.flag.{option.lstrip('-')}"] = "set"
    return dict(sorted(found.items()))


def pending_text(pending: list[dict]) -> str:
    lines = "".join(
        f"  * {one['resource']['urn']}, interrupted while {one['type']}\n" for one in pending
    )
    return (
        f"Attempting to deploy or update resources with {len(pending)} pending operations from "
        f"previous deployment.\n{lines}"
        "These resources are in an unknown state because the Pulumi CLI was interrupted while waiting "
        "for changes to these resources to complete. You should confirm whether or not the operations "
        "listed completed successfully by checking the state of the appropriate provider. For example, "
        "if you are using AWS, you can confirm using the AWS Console.\n\nOnce you have confirmed the "
        "status of the interrupted operations, you can repair your stack using `pulumi refresh` which "
        "will refresh the state from the provider you are using and clear the pending operations if "
        "there are any.\n\nNote that `pulumi refresh` will need to be run interactively to clear "
        "pending CREATE operations."
    )


def died_text(package: str) -> str:
    """What is said of a provider whose process went away."""
    home = os.environ.get("PULUMI_HOME", "")
    return (
        f"Detected that {home}/plugins/resource-{package}-v1.0.0/pulumi-resource-{package} exited "
        "prematurely. \n       This is *always* a bug in the provider. Please report the issue to the "
        "provider author as appropriate.\n       To assist with debugging we have dumped the STDOUT "
        "and STDERR streams of the plugin:"
    )
