"""YAML text into a tree of nodes, each with its place; everything surprising is a finding.

Works on the parser's events, below tags, resolvers and constructors: nothing in a plan can be
anything but text, numbers, truth values, lists and mappings, and nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollout_kit.document.characters import forbidden_characters
from rollout_kit.document.codes import Code
from rollout_kit.document.diagnostics import Finding, Severity
from rollout_kit.document.nodes import MappingNode, Node, ScalarNode, SequenceNode
from rollout_kit.document.position import Position
from rollout_kit.document.scalars import Plain, Surprise, resolve

if TYPE_CHECKING:
    import yaml

DEPTH_AT_MOST = 64
TEXT_AT_MOST = 2_000_000
SCALAR_AT_MOST = 16_384
ALIASES_AT_MOST = 64
EXPANDED_AT_MOST = 10_000
# A guard is switched `off`: to be a key of ours is the one thing that it can mean there.
_WORDS_OF_THE_LANGUAGE = frozenset({"off"})


def parse(text: str) -> tuple[Node | None, tuple[Finding, ...]]:
    """Read one YAML document; no node where the text cannot be read to its end."""
    if len(text) > TEXT_AT_MOST:
        return None, (_too_large(len(text)),)
    findings = list(forbidden_characters(text))
    if any(finding.severity is Severity.ERROR for finding in findings):
        return None, tuple(findings)
    builder = _Builder(findings)
    builder.read(text.removeprefix("\ufeff"))
    return builder.root, tuple(findings)


def _too_large(length: int) -> Finding:
    return Finding(
        code=Code.TOO_LARGE,
        summary="File is too large",
        detail=f"The file has {length:,} characters; at most {TEXT_AT_MOST:,} are read.",
        hint="Split it into several files.",
        at=Position(line=1, column=1),
    )


@dataclass(slots=True, kw_only=True)
class _Frame:
    """A collection that is still open."""

    at: Position
    anchor: str | None
    items: list[Node] | None
    """None for a mapping."""
    entries: dict[str, Node]
    keys_at: dict[str, Position]
    key: tuple[str | None, Position] | None = None
    """The key that waits for its value; its name is None where the entry is to be dropped."""


class _Builder:
    """Turns events into nodes."""

    def __init__(self, findings: list[Finding]) -> None:
        self.root: Node | None = None
        self._findings = findings
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self._aliases = 0
        self._expanded = 0

    def read(self, text: str) -> None:
        import yaml

        loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader]
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            for event in yaml.parse(text, Loader=loader):
                if not self._take(event):
                    self.root = None
                    return
        except yaml.MarkedYAMLError as error:
            self._findings.append(_syntax_error(error, text))
            self.root = None
            return
        if self.root is None or (isinstance(self.root, ScalarNode) and self.root.value is None):
            self._report(Code.EMPTY, "File is empty", "There is nothing in the file.")
            self.root = None

    def _take(self, event: yaml.Event) -> bool:
        """Take in one event; False ends the reading."""
        import yaml

        at = _position(event.start_mark)
        match event:
            case yaml.ScalarEvent():
                self._scalar(event, at)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                return self._open(event, at)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case yaml.AliasEvent():
                self._alias(event.anchor, at)
            case yaml.DocumentStartEvent() if self.root is not None:
                return self._several_documents(at)
        return True

    def _scalar(self, event: yaml.ScalarEvent, at: Position) -> None:
        text = event.value
        self._refuse_tag(event.tag, at)
        if len(text) > SCALAR_AT_MOST:
            detail = (
                f"This value has {len(text):,} characters; at most {SCALAR_AT_MOST:,} are read."
            )
            self._report(Code.SCALAR_TOO_LONG, "Value is too long", detail, at=at)
            text = text[:SCALAR_AT_MOST]
        value: Plain | Surprise = text if event.style else resolve(text)
        if self._awaits_key():
            self._key(text, value, at)
            return
        if isinstance(value, Surprise):
            self._report(
                Code.AMBIGUOUS_SCALAR,
                "Unquoted value is ambiguous",
                f"{text} is not the same to every reader of YAML: {value.because}.",
                hint=f'Quote this: "{text}".',
                at=at,
            )
            value = text
        end_line = _position(event.end_mark).line
        self._add(ScalarNode(value=value, at=at, end_line=end_line), event.anchor)

    def _key(self, text: str, value: Plain | Surprise, at: Position) -> None:
        frame = self._stack[-1]
        frame.key = (text, at)
        if text == "<<" and isinstance(value, Surprise):
            frame.key = (None, at)
            detail = "`<<` copies keys from elsewhere, so the file no longer says what it means."
            self._report(Code.MERGE_KEY, "Merge key", detail, hint="Write the keys out.", at=at)
        elif not isinstance(value, str) and text not in _WORDS_OF_THE_LANGUAGE:
            reads = value.because if isinstance(value, Surprise) else "it is no text"
            self._report(
                Code.KEY_IS_NO_NAME,
                "Key is no name",
                f"{text or 'An empty key'} is no name: {reads}.",
                hint=f'Quote this: "{text}".',
                at=at,
            )
        elif text in frame.entries:
            frame.key = (None, at)
            first = frame.keys_at[text].line
            detail = f'"{text}" was already given in line {first}; one of the two would be lost.'
            self._report(Code.DUPLICATE_KEY, "Key is given twice", detail, at=at)

    def _open(self, event: yaml.CollectionStartEvent, at: Position) -> bool:
        import yaml

        self._refuse_tag(event.tag, at)
        if self._awaits_key():
            self._complex_key(at)
        if len(self._stack) >= DEPTH_AT_MOST:
            detail = f"At most {DEPTH_AT_MOST} levels are read."
            self._report(Code.TOO_DEEP, "Nested too deeply", detail, at=at)
            return False
        items: list[Node] | None = [] if isinstance(event, yaml.SequenceStartEvent) else None
        frame = _Frame(at=at, anchor=event.anchor, items=items, entries={}, keys_at={})
        self._stack.append(frame)
        return True

    def _close(self) -> None:
        frame = self._stack.pop()
        children: Sequence[Node]
        children = list(frame.entries.values()) if frame.items is None else frame.items
        size = 1 + sum(child.size for child in children)
        height = 1 + max((child.height for child in children), default=0)
        node: Node
        if frame.items is None:
            node = MappingNode(
                entries=frame.entries, keys_at=frame.keys_at, at=frame.at, size=size, height=height
            )
        else:
            node = SequenceNode(items=tuple(frame.items), at=frame.at, size=size, height=height)
        self._add(node, frame.anchor)

    def _alias(self, anchor: str | None, at: Position) -> None:
        if self._awaits_key():
            self._complex_key(at)
        node = self._anchors.get(anchor or "")
        if node is None:
            detail = f"*{anchor} stands for nothing that is complete above this line."
            self._report(Code.ALIAS_UNKNOWN, "Unknown alias", detail, at=at)
            node = ScalarNode(value=None, at=at, end_line=at.line)
        self._aliases += 1
        self._expanded += node.size
        too_many = self._aliases > ALIASES_AT_MOST or self._expanded > EXPANDED_AT_MOST
        if too_many or len(self._stack) + node.height > DEPTH_AT_MOST:
            node = ScalarNode(value=None, at=at, end_line=at.line)
            self._report_alias_budget(at)
        self._add(node, None)

    def _report_alias_budget(self, at: Position) -> None:
        if any(finding.code is Code.ALIAS_BUDGET for finding in self._findings):
            return
        detail = (
            f"A file may use {ALIASES_AT_MOST} aliases that stand for {EXPANDED_AT_MOST:,} values in"
            f" {DEPTH_AT_MOST} levels; beyond that nobody can read what it says."
        )
        self._report(
            Code.ALIAS_BUDGET,
            "Too many aliases",
            detail,
            hint="Write it out, or use `vars`.",
            at=at,
        )

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        if frame.items is not None:
            frame.items.append(node)
        elif frame.key is None:
            # A key that is no scalar is complete: what follows is its value, to be dropped.
            frame.key = (None, node.at)
        else:
            name, at = frame.key
            frame.key = None
            if name is not None:
                frame.entries[name] = node
                frame.keys_at[name] = at

    def _awaits_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].items is None and self._stack[-1].key is None

    def _complex_key(self, at: Position) -> None:
        detail = "A list, a mapping or an alias cannot name anything here."
        self._report(Code.KEY_IS_NO_NAME, "Key is no name", detail, at=at)

    def _refuse_tag(self, tag: str | None, at: Position) -> None:
        if tag is not None:
            detail = f"{tag[:80]} asks the reader for something else than what is written."
            self._report(Code.TAG, "Tag", detail, hint="Leave the tag out; quote text.", at=at)

    def _several_documents(self, at: Position) -> bool:
        detail = "A second document starts here; a file is one."
        self._report(Code.SEVERAL_DOCUMENTS, "More than one document", detail, at=at)
        return False

    def _report(
        self,
        code: Code,
        summary: str,
        detail: str,
        *,
        hint: str | None = None,
        at: Position | None = None,
    ) -> None:
        at = at or Position(line=1, column=1)
        self._findings.append(Finding(code=code, summary=summary, detail=detail, hint=hint, at=at))


def _position(mark: yaml.error.Mark | yaml._yaml.Mark | None) -> Position:
    """Count from 1, as editors do."""
    if mark is None:
        return Position(line=1, column=1)
    return Position(line=mark.line + 1, column=mark.column + 1)


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> Finding:
    mark = error.problem_mark or error.context_mark
    at = _position(mark)
    if mark is not None and text[mark.index : mark.index + 1] == "\t":
        return Finding(
            code=Code.TAB,
            summary="Tab",
            detail="YAML does not indent with tabs.",
            hint="Use spaces.",
            at=at,
        )
    words = [str(part) for part in (error.context, error.problem) if part]
    return Finding(
        code=Code.NOT_YAML, summary="This is no YAML", detail=", ".join(words) + ".", at=at
    )
