"""`python -m rollout_kit` is the same command as `rollout-kit`."""

from rollout_kit.cli.main import entry

if __name__ == "__main__":
    entry()
