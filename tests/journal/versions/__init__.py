"""One journal of every format version that was ever written, kept for good, with what it comes to."""
