"""Reading YAML: positions, and every surprise a finding in its place."""

from __future__ import annotations

import json
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rollout_kit.document.nodes import find, locate, plain
from rollout_kit.document.position import Position
from rollout_kit.document.tree import ALIASES_AT_MOST, SCALAR_AT_MOST, TEXT_AT_MOST, parse

SURPRISES = [
    ("a: 1\nb: 2\na: 3\n", "3:1 duplicate-key", '"a" was already given in line 1'),
    ("a: no\n", "1:4 ambiguous-scalar", "truth value"),
    ("a: True\n", "1:4 ambiguous-scalar", "wants true or false"),
    ("a: 010\n", "1:4 ambiguous-scalar", "octal"),
    ("a: 2.10\n", "1:4 ambiguous-scalar", "2.10 is not the same to every reader"),
    ("a: 12e5678\n", "1:4 ambiguous-scalar", "take it for a number"),
    ("a: 1e3\n", "1:4 ambiguous-scalar", "take it for a number"),
    ("a: +1\n", "1:4 ambiguous-scalar", "take it for a number"),
    ("a: 1_000\n", "1:4 ambiguous-scalar", "take it for a number"),
    ("a: 0x1F\n", "1:4 ambiguous-scalar", "another base"),
    ("a: .inf\n", "1:4 ambiguous-scalar", "number that is none"),
    ("a: 2026-04-21\n", "1:4 ambiguous-scalar", "a date"),
    ("a: 22:22\n", "1:4 ambiguous-scalar", "base 60"),
    ("a: ~\n", "1:4 ambiguous-scalar", "nothing at all"),
    ("on: 1\n", "1:1 key-is-no-name", "truth value"),
    ("~: 1\n", "1:1 key-is-no-name", "nothing at all"),
    ("1: a\n", "1:1 key-is-no-name", "it is no text"),
    ("? [a]\n: b\n", "1:3 key-is-no-name", "cannot name anything"),
    ("a: &x {b: 1}\nc:\n  <<: *x\n", "3:3 merge-key", "no longer says"),
    ("a: !!str 2\n", "1:4 tag", "tag:yaml.org,2002:str"),
    ("a: !python/object/apply:os.system [ls]\n", "1:4 tag", "python/object"),
    ("a: 1\n---\nb: 2\n", "2:1 several-documents", "a file is one"),
    ("a: *b\n", "1:4 alias-unknown", "*b stands for nothing"),
    ("a: &b [*b]\n", "1:8 alias-unknown", "*b stands for nothing"),
    ("a:\n\tb: 1\n", "2:1 tab", "does not indent with tabs"),
    ("a: b: c\n", "1:5 not-yaml", "mapping values are not allowed"),
    ("a: [1, 2\nb: 3\n", "2:2 not-yaml", "flow sequence"),
    ("a: 'x\n", "2:1 not-yaml", "quoted scalar"),
    ("a: \x00\n", "1:4 forbidden-character", "U+0000"),
    ("a: b\u202ec\n", "1:5 forbidden-character", "U+202E"),
    ("a: b\ufeffc\n", "1:5 forbidden-character", "U+FEFF"),
    ("a: \ud800\n", "1:4 forbidden-character", "U+D800"),
    ("\ufeffa: b\n", "1:1 byte-order-mark", "without"),
    ("", "1:1 empty", "nothing in the file"),
    ("# only a comment\n", "1:1 empty", "nothing in the file"),
    ("a: " + "[" * 64 + "]" * 64, "1:67 too-deep", "64 levels"),
    ("a: " + "x" * (SCALAR_AT_MOST + 1), "1:4 scalar-too-long", "16,384"),
    ("#" * (TEXT_AT_MOST + 1), "1:1 too-large", "2,000,001 characters"),
]


@pytest.mark.parametrize(
    ("text", "place", "words"), SURPRISES, ids=[repr(text[:24]) for text, _, _ in SURPRISES]
)
def test_a_surprise_is_found_in_its_place(text: str, place: str, words: str) -> None:
    _, findings = parse(text)
    found = [f"{f.at.line}:{f.at.column} {f.code}" for f in findings if f.at]
    assert found == [place]
    assert words in f"{findings[0].detail} {findings[0].hint}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.2.9", "0.2.9"),
        ("2.5", 2.5),
        ("6", 6),
        ("-3", -3),
        ("true", True),
        ("null", None),
        ("''", ""),
        ("'2.10'", "2.10"),
        ("'no'", "no"),
        ("90s", "90s"),
        ("a2026-04-21", "a2026-04-21"),
        ("${env:X}", "${env:X}"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_what_every_reader_agrees_on_is_read(text: str, value: object) -> None:
    root, findings = parse(f"a: {text}")
    assert findings == ()
    assert root is not None
    read = plain(root)
    assert read == {"a": value}
    assert isinstance(read, dict)
    assert type(read["a"]) is type(value)


def test_off_is_a_key_of_the_language() -> None:
    root, findings = parse("{off: reason}")
    assert findings == ()
    assert root is not None
    assert plain(root) == {"off": "reason"}


def test_all_surprises_of_a_file_are_found_at_once() -> None:
    _, findings = parse("a: no\nb: 010\na: !x 1\n")
    assert [(f.at.line if f.at else 0, f.code.value) for f in findings] == [
        (1, "ambiguous-scalar"),
        (2, "ambiguous-scalar"),
        (3, "duplicate-key"),
        (3, "tag"),
    ]


def test_an_alias_stands_for_its_anchor_and_keeps_its_place() -> None:
    root, findings = parse("a: &steps [1, two]\nb: *steps\n")
    assert findings == ()
    assert root is not None
    assert plain(root) == {"a": [1, "two"], "b": [1, "two"]}
    assert locate(root, ("b", 1)) == Position(line=1, column=15)


def test_a_bomb_of_aliases_is_refused_without_growing() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    root, findings = parse("\n".join(lines))
    assert [f.code.value for f in findings] == ["alias-budget"]
    assert root is not None
    assert root.size < 20_000


def test_aliases_cannot_stack_levels_beyond_the_limit() -> None:
    lines = ["a0: &a0 " + "[" * 40 + "]" * 40]
    lines += [f"a{n}: &a{n} [[[[[[[[[[*a{n - 1}]]]]]]]]]]" for n in range(1, ALIASES_AT_MOST)]
    root, findings = parse("\n".join(lines))
    assert [f.code.value for f in findings] == ["alias-budget"]
    assert root is not None
    assert root.height <= 64


def test_many_open_brackets_are_refused_at_once() -> None:
    started = time.perf_counter()
    _, findings = parse("[" * 100_000)
    assert [f.code.value for f in findings] == ["too-deep"]
    assert time.perf_counter() - started < 2.0


def test_columns_count_characters_not_bytes() -> None:
    root, _ = parse("é: {ü: [ß, no]}\n")
    assert root is not None
    assert locate(root, ("é", "ü", 1)) == Position(line=1, column=12)
    assert locate(root, ("é", "ü"), key=True) == Position(line=1, column=5)


def test_a_path_that_is_not_there_is_located_at_what_comes_nearest() -> None:
    root, _ = parse("a:\n  b: 1\n")
    assert root is not None
    assert locate(root, ("a", "c", "d")) == Position(line=2, column=3)
    assert find(root, ("a", "c")) is None


def test_it_reads_the_same_without_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: [1, {b: no}]\nc: |\n  x\na: 2\n"
    fast = parse(text)
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert parse(text) == fast


words = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(words, values, min_size=1, max_size=4))
def test_what_json_says_is_read_as_json_reads_it(value: dict[str, object]) -> None:
    text = json.dumps(value, ensure_ascii=False)
    root, findings = parse(text)
    assert findings == ()
    assert root is not None
    assert plain(root) == value
