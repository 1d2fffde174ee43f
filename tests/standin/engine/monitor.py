"""The two gRPC services that a program talks to: the resource monitor and the engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import empty_pb2

from .custom import Registered
from .deployment import Deployment
from .failure import OperationFailed
from .goals import Goal
from .operations import Stopped
from .wire import from_struct, stubs, to_struct

pb, services = stubs("resource_pb2"), stubs("resource_pb2_grpc")
engine_pb, engine_services = stubs("engine_pb2"), stubs("engine_pb2_grpc")
_FEATURES = {"secrets", "resourceReferences", "deletedWith", "outputValues"} - {"outputValues"}
_SHUT_DOWN = "resource monitor shut down"
_SEVERITIES = ("debug", "info", "warning", "error")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


class Monitor(services.ResourceMonitorServicer):
    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def SupportsFeature(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.SupportsFeatureResponse(hasSupport=request.id in _FEATURES)

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            return _answer(self._deployment.register(_goal(request)), request)
        except (Stopped, OperationFailed):
            context.abort(grpc.StatusCode.UNAVAILABLE, _SHUT_DOWN)
        except Exception as wrong:
            self._deployment.ops.stream.diagnostic("error", f"{type(wrong).__name__}: {wrong}")
            self._deployment.ops.failed = True
            raise

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._deployment.register_outputs(request.urn, from_struct(request.outputs))
        return empty_pb2.Empty()

    def ReadResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        goal = Goal(
            type=request.type,
            name=request.name,
            custom=True,
            inputs=from_struct(request.properties),
            parent=request.parent,
            provider=request.provider,
            version=request.version,
        )
        try:
            found = self._deployment.read(goal, request.id)
        except (Stopped, OperationFailed):
            context.abort(grpc.StatusCode.UNAVAILABLE, _SHUT_DOWN)
        return pb.ReadResourceResponse(urn=found["urn"], properties=to_struct(found["outputs"]))

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        goal = Goal(type=request.tok, name="", custom=True, inputs={}, provider=request.provider)
        goal.version = request.version
        try:
            result = self._deployment.invoke(goal, from_struct(request.args))
        except OperationFailed as wrong:
            failure = pb.provider_pb2.CheckFailure(reason=str(wrong))
            return pb.ResourceInvokeResponse(failures=[failure])
        return pb.ResourceInvokeResponse(**{"return": to_struct(result)})

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()


class Engine(engine_services.EngineServicer):
    def __init__(self, deployment: Deployment) -> None:
        self._deployment, self._root = deployment, ""

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
        severity = _SEVERITIES[request.severity]
        ops = self._deployment.ops
        if ops.stopped and severity == "error":
            return empty_pb2.Empty()
        if severity == "error":
            ops.failed = True
        ops.stream.diagnostic(severity, request.message, request.urn, ephemeral=request.ephemeral)
        return empty_pb2.Empty()

    def GetRootResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        return engine_pb.GetRootResourceResponse(urn=self._root)

    def SetRootResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._root = request.urn
        return engine_pb.SetRootResourceResponse()

    def RequirePulumiVersion(self, request: Any, context: Any) -> Any:  # noqa: N802
        return engine_pb.RequirePulumiVersionResponse()


def serve(deployment: Deployment) -> tuple[grpc.Server, str]:
    """Both services on one loopback port."""
    big = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(max_workers=128), options=big)
    services.add_ResourceMonitorServicer_to_server(Monitor(deployment), server)
    engine_services.add_EngineServicer_to_server(Engine(deployment), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


def _goal(request: Any) -> Goal:
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=from_struct(request.object),
        parent=request.parent,
        provider=request.provider,
        version=request.version,
        protect=request.protect,
        dependencies=list(request.dependencies),
        property_dependencies={
            key: sorted(on.urns) for key, on in sorted(request.propertyDependencies.items())
        },
        delete_first=request.deleteBeforeReplace,
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        secret_outputs=list(request.additionalSecretOutputs),
        aliases=[*request.aliasURNs, *(one.urn for one in request.aliases if one.urn)],
        import_id=request.importId,
        retain_on_delete=request.retainOnDelete,
        deleted_with=request.deletedWith,
        custom_timeouts=_timeouts(request.customTimeouts),
        reports_results=request.supportsResultReporting,
    )


def _timeouts(given: Any) -> dict[str, float]:
    named = {"create": given.create, "update": given.update, "delete": given.delete}
    return {name: _seconds(text) for name, text in named.items() if text}


def _seconds(text: str) -> float:
    """`1h2m3s` and the like."""
    import re

    return sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([0-9.]+)(ms|s|m|h)", text))


def _answer(registered: Registered, request: Any) -> Any:
    resource = registered.resource
    content: dict[str, Any] = {
        "urn": resource["urn"],
        "id": resource.get("id", ""),
        "object": to_struct(resource.get("outputs") or {}),
    }
    if registered.failed and request.supportsResultReporting:
        content["result"] = pb.FAIL
    if registered.unknown and "unknown" in pb.RegisterResourceResponse.DESCRIPTOR.fields_by_name:
        content["unknown"] = True
    return pb.RegisterResourceResponse(**content)
