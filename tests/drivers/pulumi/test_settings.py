"""A stack's settings file: rebuilt from the recorded one, ciphertexts and salt untouched."""

from __future__ import annotations

import pytest
import yaml

from rollout_kit.drivers.pulumi import settings
from rollout_kit.ports.errors import Incompatible

RECORDED = """\
encryptionsalt: v1:abc=:v1:def:ghi==
secretsprovider: awskms://alias/x
config:
  proj:replicas: 3
  proj:flag: "true"
  proj:token:
    secure: v1:nonce:cipher
  fleet:nodes: '{"api-1": {"image": "a"}}'
  proj:tree:
    deep:
      - 1
"""


def test_this_changes_keys_are_laid_over_and_all_else_stays() -> None:
    text = settings.merged(RECORDED, {"fleet:nodes": {"api-1": {"image": "b", "marker": None}}})
    before, after = yaml.safe_load(RECORDED), yaml.safe_load(text)
    assert after["config"].pop("fleet:nodes") == '{"api-1": {"image": "b", "marker": null}}'
    assert before["config"].pop("fleet:nodes")
    assert after == before


def test_a_key_may_be_json_null() -> None:
    assert yaml.safe_load(settings.merged("", {"fleet:scheduler": None})) == {
        "config": {"fleet:scheduler": "null"}
    }


def test_the_plain_values_are_read_and_secret_ones_are_not() -> None:
    configuration = settings.recorded(RECORDED).configuration
    assert configuration["fleet:nodes"] == {"api-1": {"image": "a"}}
    assert configuration["proj:flag"] == "true"
    assert configuration["proj:tree"] == {"deep": [1]}
    assert "proj:token" not in configuration


def test_two_files_are_compared_by_what_they_set() -> None:
    again = settings.merged(RECORDED, {"fleet:nodes": {"api-1": {"image": "a"}}})
    assert again != RECORDED
    assert settings.same_configuration(RECORDED, again)
    assert not settings.same_configuration(RECORDED, settings.merged(RECORDED, {"proj:x": 1}))


def test_a_file_is_named_after_the_last_part_of_the_stacks_name() -> None:
    assert settings.file_name("acme/orders/prod") == "Pulumi.prod.yaml"
    assert settings.file_name("dev") == "Pulumi.dev.yaml"


@pytest.mark.parametrize("text", ["[1]", "config: 3", "a: {"])
def test_what_is_no_settings_file_is_refused(text: str) -> None:
    with pytest.raises(Incompatible, match="no mapping"):
        settings.merged(text, {})


ODD = """\
config:
  proj:commit: "12e5"
  proj:hash: "1234e56"
  proj:octal: "0o17"
  proj:half: ".5e1"
  proj:at: 12:30:45
  proj:on: yes
  proj:day: 2026-04-28
  proj:nested:
    tag: "12e5"
    port: 8080
"""


def test_what_a_change_does_not_set_stays_as_it_is_written() -> None:
    """Read and written again, the commit 12e5 was the number 1200000 to the engine, with every update."""
    text = settings.merged(ODD, {"fleet:nodes": {"api-1": {"image": "12e5"}}})
    lines = text.splitlines()
    assert lines[: len(ODD.splitlines())] == ODD.splitlines()
    assert lines[len(ODD.splitlines()) :] == ['  fleet:nodes: \'{"api-1": {"image": "12e5"}}\'']
    again = settings.merged(text, {"fleet:nodes": None})
    assert again.splitlines()[-1] == "  fleet:nodes: 'null'"
    assert settings.merged(ODD, {}) == ODD


@pytest.mark.parametrize("text", ["", "{}\n", "config:\n", "# nothing yet\n"])
def test_into_settings_without_any_key_the_first_one_goes(text: str) -> None:
    made = settings.merged(text, {"fleet:jobs": {}})
    assert settings.recorded(made).configuration == {"fleet:jobs": {}}
