"""`{placeholders}` in an argv of the fleet file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
IMAGE = "{image}"


def unknown_placeholders(element: str, known: frozenset[str]) -> Iterator[str]:
    """What cannot be filled in one element, as sentences."""
    for name in _PLACEHOLDER.findall(element):
        if name not in known:
            yield f"{{{name}}} means nothing here."
        elif name == "image" and element != IMAGE:
            yield f"{IMAGE} stands for several arguments, so it must be an element of its own."
    if "${env:" in element:
        yield "An argv shows in process lists: hand over secrets in `environment`."


def filled(argv: Sequence[str], image: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The argv to run: the image's where it says so, else first, then every placeholder."""
    placed = argv if IMAGE in argv else (IMAGE, *argv)
    whole = [part for element in placed for part in (image if element == IMAGE else (element,))]
    return [_PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), part) for part in whole]
