"""The providers that live inside the stand-in: `lab` and `kubernetes`."""
