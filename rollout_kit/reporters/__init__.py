"""Output: who is told what, and how it reads. Nothing here decides anything."""
