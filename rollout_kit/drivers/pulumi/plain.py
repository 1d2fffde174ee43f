"""JSON that somebody else wrote, read field by field: every problem with its place, all at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One object of foreign JSON, and where it stands. What is wrong is noted, never raised."""

    value: object
    place: str
    problems: list[str] = field(default_factory=list)

    def at(self, key: str) -> Reading:
        """The entry under this key; `None` is its value where there is none."""
        place = f"{self.place}/{key}" if self.place else key
        return replace(self, value=self.entries().get(key), place=place)

    def problem(self, sentence: str) -> None:
        self.problems.append(f"{self.place or 'the output'}: {sentence}")

    def entries(self) -> Mapping[str, object]:
        """The object's own entries; none where it is no object (`expect_object` says so)."""
        if not isinstance(self.value, dict):
            return {}
        return {key: value for key, value in self.value.items() if isinstance(key, str)}

    def expect_object(self, known: tuple[str, ...] = ()) -> bool:
        """Whether it is an object, with no entry beside the `known` ones (none given: any)."""
        if not isinstance(self.value, dict):
            self.problem(f"an object is needed, not {shown(self.value)}")
            return False
        for key in sorted(map(str, self.value)):
            if known and key not in known:
                self.at(key).problem(f"no such field; there are {', '.join(known)}")
        return True

    def each(self) -> Iterator[tuple[str, Reading]]:
        """Its entries by name; nothing (and a problem) where it is no object, nothing where it is absent."""
        if self.value is None or not self.expect_object():
            return
        for key in self.entries():
            yield key, self.at(key)

    def text(self, key: str, default: str | None = None) -> str:
        """Text that has to be there, unless there is a `default`."""
        found = self.at(key)
        if isinstance(found.value, str):
            return found.value
        if found.value is not None or default is None:
            found.problem(f"text is needed, not {shown(found.value)}")
        return default or ""

    def optional_text(self, key: str) -> str | None:
        return None if self.at(key).value is None else self.text(key)

    def flag(self, key: str, default: bool) -> bool:
        found = self.at(key)
        if isinstance(found.value, bool):
            return found.value
        if found.value is not None:
            found.problem(f"true or false is needed, not {shown(found.value)}")
        return default

    def count(self, key: str) -> int | None:
        """A whole number of 0 or more; None where there is none."""
        found = self.at(key)
        value = found.value
        if isinstance(value, float) and value.is_integer():  # engines know one kind of number
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        if value is not None:
            found.problem(f"a whole number of 0 or more is needed, not {shown(value)}")
        return None

    def texts(self, key: str) -> tuple[str, ...]:
        found = self.at(key)
        if found.value is None:
            return ()
        if not isinstance(found.value, list):
            found.problem(f"a list of texts is needed, not {shown(found.value)}")
            return ()
        for number, item in enumerate(found.value):
            if not isinstance(item, str):
                found.at(str(number)).problem(f"text is needed, not {shown(item)}")
        return tuple(item for item in found.value if isinstance(item, str))

    def text_map(self, key: str) -> dict[str, str]:
        found = self.at(key)
        values: dict[str, str] = {}
        for name, entry in found.each():
            if isinstance(entry.value, str):
                values[name] = entry.value
            else:
                entry.problem(f"text is needed, not {shown(entry.value)}")
        return values


def shown(value: object) -> str:
    """A foreign value as a message may show it: cut short, its kind first where it is no scalar."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            text = str(value)
            return f'"{text}"' if len(text) <= SHOWN else f'"{text[:SHOWN]}…"'


def at(value: object, path: tuple[str, ...]) -> object:
    """What stands at this path; None: nothing does."""
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
