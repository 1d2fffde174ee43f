"""A fleet behind the user's own script: systemd, Nomad, ECS, Ansible, or whatever else runs it.

`driver` is the adapter, `contract.v1.json` what a script is asked and answers.
"""
