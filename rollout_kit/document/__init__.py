"""The plan document: YAML text in, a typed `PlanDocument` and diagnostics with their places out."""
