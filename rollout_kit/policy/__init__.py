"""May we: policy packs as YAML, evaluated purely over a plan. A mandatory finding refuses the rollout."""
