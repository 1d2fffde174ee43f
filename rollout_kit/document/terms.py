"""Small words of the plan language that several sections share."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

_REFERENCE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a declared size, in per cent (0 < percent <= 100)."""

    percent: float

    def of(self, total: int) -> int:
        """Give how many of `total` this is, rounded up."""
        # 29 * 100 / 100 must stay 29: what floating point adds is below a millionth of one.
        return math.ceil(round(total * self.percent / 100, 6))

    @property
    def label(self) -> str:
        """Give the spelling of the document, as in `12.5%`."""
        return f"{self.percent:g}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSelector:
    """A cohort of workers on a queue, by build id."""

    build_id: str | None
    """None is the unversioned cohort."""

    @property
    def label(self) -> str:
        """Name the cohort for people."""
        return "(unversioned)" if self.build_id is None else self.build_id


class UnsetEnvironmentError(LookupError):
    """An environment variable that the plan refers to is not set; carries its name alone."""

    def __init__(self, name: str) -> None:
        super().__init__(f"environment variable {name} is not set")
        self.name = name


@dataclass(frozen=True, slots=True)
class SecretText:
    """Text of a secret field: references to the environment, never what they stand for."""

    template: str
    """As in `${env:DW_ADMIN_TOKEN}` or `Bearer ${env:TOKEN}`; safe to print and to journal."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name the environment variables that `resolve` needs."""
        return tuple(_REFERENCE.findall(self.template))

    def resolve(self, environment: Mapping[str, str]) -> str:
        """Give the value, for the one who sends it. Raises `UnsetEnvironmentError`.

        An empty variable counts as unset: an empty token is never what somebody meant.
        """

        def value(found: re.Match[str]) -> str:
            text = environment.get(found[1], "")
            if not text:
                raise UnsetEnvironmentError(found[1])
            return text

        return _REFERENCE.sub(value, self.template)


class Identity(enum.StrEnum):
    """What tells a node of the new version from one of the old."""

    VERSION = "version"
    """The version that the node answers with."""
    PROVENANCE = "provenance"
    """The provenance that the node answers with."""
    INFRA = "infra"
    """The image that the infrastructure says it runs."""
