"""Long work by key, for every driver: begun once, joined, stopped, and never left by a dead tool.

`work` is what a driver uses, `folder` where it is recorded. Each piece of work is carried out by a
short-lived child in its own session (`supervisor`), so that it goes on when the tool dies; the
children import only what `records`, `processes`, `roles` and `launcher` need, because one starts
for each change.
"""
