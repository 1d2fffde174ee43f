"""The lab provider as a plugin of the real CLI: the same code, behind its gRPC service."""

from __future__ import annotations

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import empty_pb2

from . import values
from .failure import OperationFailed, PluginDied, Unfinished
from .providers.api import Call
from .providers.lab import Lab
from .wire import from_struct, stubs, to_struct

pb, services = stubs("provider_pb2"), stubs("provider_pb2_grpc")
_KINDS = {"add": 0, "add-replace": 1, "delete": 2, "delete-replace": 3, "update": 4}
_KINDS["update-replace"] = 5
_UNFINISHED = "type.googleapis.com/pulumirpc.ErrorResourceInitFailed"
_SCHEMA = {
    "name": "lab",
    "version": "1.0.0",
    "resources": {
        "lab:index:Thing": {
            "inputProperties": {
                "value": {"$ref": "pulumi.json#/Any"},
                "key": {"type": "string"},
            },
            "properties": {"computed": {"type": "string"}},
        }
    },
}
"""What a program without a language of its own has to be told: the inputs that such programs set."""


class Plugin(services.ResourceProviderServicer):
    def __init__(self) -> None:
        self._lab, self._cancelled = Lab(), threading.Event()

    def _call(self, request: Any) -> Call:
        urn = request.urn
        return Call(
            urn=urn,
            type=urn.split("::")[2].rpartition("$")[2],
            preview=getattr(request, "preview", False),
            cancelled=self._cancelled,
            say=lambda text: None,
        )

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return stubs("plugin_pb2").PluginInfo(version="1.0.0")

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.GetSchemaResponse(schema=json.dumps(_SCHEMA))

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.ConfigureResponse(supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        new, wrong = self._lab.check(self._call(request), from_struct(request.news))
        failures = [pb.CheckFailure(property=key, reason=reason) for key, reason in wrong]
        return pb.CheckResponse(inputs=to_struct(new), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        change = self._lab.diff(
            self._call(request), from_struct(request.old_inputs), {}, from_struct(request.news)
        )
        detailed = {
            path: pb.PropertyDiff(kind=_KINDS[kind], inputDiff=True)
            for path, kind in change.paths.items()
        }
        some, none = pb.DiffResponse.DIFF_SOME, pb.DiffResponse.DIFF_NONE
        return pb.DiffResponse(
            changes=some if change.paths else none,
            replaces=change.replaces,
            diffs=sorted(change.paths),
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        def work() -> Any:
            id_, outputs = self._lab.create(self._call(request), from_struct(request.properties))
            return pb.CreateResponse(id=id_, properties=_sealed(outputs))

        return _answered(work, context)

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        def work() -> Any:
            outputs = self._lab.update(
                self._call(request),
                request.id,
                from_struct(request.old_inputs),
                from_struct(request.olds),
                from_struct(request.news),
            )
            return pb.UpdateResponse(properties=_sealed(outputs))

        return _answered(work, context)

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        def work() -> Any:
            outputs = from_struct(request.properties)
            self._lab.delete(self._call(request), request.id, outputs)
            return empty_pb2.Empty()

        return _answered(work, context)

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        found = self._lab.read(self._call(request), request.id, {}, from_struct(request.properties))
        if found is None:
            return pb.ReadResponse()
        return pb.ReadResponse(
            id=request.id, properties=_sealed(found.outputs), inputs=to_struct(found.inputs)
        )

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._lab.cancel()
        self._cancelled.set()
        return empty_pb2.Empty()


def _sealed(outputs: dict[str, Any]) -> Any:
    if "secretOut" in outputs:
        outputs = {**outputs, "secretOut": values.secret(outputs["secretOut"])}
    return to_struct(outputs)


def _answered(work: Any, context: Any) -> Any:
    try:
        return work()
    except PluginDied:
        os._exit(1)
    except Unfinished as wrong:
        from google.protobuf import any_pb2
        from google.rpc import status_pb2

        detail = pb.ErrorResourceInitFailed(
            id=wrong.id, properties=_sealed(wrong.outputs), reasons=wrong.reasons
        )
        packed = any_pb2.Any(type_url=_UNFINISHED, value=detail.SerializeToString())
        code = grpc.StatusCode.UNKNOWN
        status = status_pb2.Status(code=code.value[0], message=str(wrong), details=[packed])
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        context.abort(code, str(wrong))
    except OperationFailed as wrong:
        context.abort(grpc.StatusCode.UNKNOWN, str(wrong))


def main() -> None:
    """Serve until the CLI ends; the port is said on standard output."""
    server = grpc.server(ThreadPoolExecutor(max_workers=32))
    services.add_ResourceProviderServicer_to_server(Plugin(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
