"""The names of everything that can be wrong with a plan document."""

from __future__ import annotations

import enum


class Code(enum.StrEnum):
    """Stable names for tools and tests; the summary is for people."""

    # The file itself.
    TOO_LARGE = "too-large"
    FORBIDDEN_CHARACTER = "forbidden-character"
    BYTE_ORDER_MARK = "byte-order-mark"
    NOT_YAML = "not-yaml"
    TAB = "tab"
    EMPTY = "empty"
    SEVERAL_DOCUMENTS = "several-documents"
    TOO_DEEP = "too-deep"
    # Its words.
    DUPLICATE_KEY = "duplicate-key"
    KEY_IS_NO_NAME = "key-is-no-name"
    MERGE_KEY = "merge-key"
    TAG = "tag"
    ALIAS_BUDGET = "alias-budget"
    ALIAS_UNKNOWN = "alias-unknown"
    AMBIGUOUS_SCALAR = "ambiguous-scalar"
    SCALAR_TOO_LONG = "scalar-too-long"
    # Substitution.
    BAD_REFERENCE = "bad-reference"
    UNKNOWN_VARIABLE = "unknown-variable"
    VARIABLE_WITHOUT_VALUE = "variable-without-value"
    VARIABLE_UNUSED = "variable-unused"
    SECRET_IN_THE_OPEN = "secret-in-the-open"
    UNSET_ENVIRONMENT = "unset-environment"
    STACK_REFERENCE = "stack-reference"
    # Shape.
    UNKNOWN_KEY = "unknown-key"
    MISSING_KEY = "missing-key"
    WRONG_TYPE = "wrong-type"
    UNKNOWN_VALUE = "unknown-value"
    BAD_VALUE = "bad-value"
    # What belongs together.
    UNKNOWN_GATE = "unknown-gate"
    UNKNOWN_NODE = "unknown-node"
    UNKNOWN_QUEUE = "unknown-queue"
    DUPLICATE_NAME = "duplicate-name"
    UNUSED_GATE = "unused-gate"
    SAME_BUILD = "same-build"
    RESTART = "restart"
    IDENTITY = "identity"
    MISSING_IMAGE = "missing-image"
    MISSING_SECTION = "missing-section"
    GUARD_FIGURE = "guard-figure"
    THRESHOLD = "threshold"
    ONE_NODE = "one-node"
    UNVERSIONED = "unversioned"
    FORWARD_ONLY = "forward-only"
    UNDO = "undo"
    DURATION_ORDER = "duration-order"
    STEP_ORDER = "step-order"
