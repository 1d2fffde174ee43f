"""Operation kinds: atomic, convergent acts. Two methods touch the world, the others are pure."""
