"""The product over a whole fleet in one process, in virtual time, with everything that can fail failing."""
