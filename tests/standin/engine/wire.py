"""Property values and protocol stubs as gRPC has them.

The stubs ship inside the `pulumi` package; they are loaded without the rest of it, which would cost
half a second in every process.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

from google.protobuf import struct_pb2


def stubs(name: str) -> ModuleType:
    """`resource_pb2`, `engine_pb2_grpc`, ... of the installed package."""
    if "pulumi" not in sys.modules:
        spec = importlib.util.find_spec("pulumi")
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit("the stand-in needs the pulumi package, for its protocol stubs")
        root = spec.submodule_search_locations[0]
        for package, folder in (("pulumi", root), ("pulumi.runtime", f"{root}/runtime")):
            module = ModuleType(package)
            module.__path__ = [folder]
            sys.modules[package] = module
    return importlib.import_module(f"pulumi.runtime.proto.{name}")


def from_wire(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [from_wire(one) for one in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    return {key: from_wire(value) for key, value in sorted(struct.fields.items())}


def to_struct(tree: dict[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(tree)
    return struct
