"""The vocabulary: frozen values only. No I/O, no clock, nothing but the standard library."""
