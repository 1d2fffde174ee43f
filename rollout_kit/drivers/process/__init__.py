"""A fleet of ordinary processes on one host, described by a fleet file.

`driver` is the adapter. Every change is carried out by a short-lived child in its own session
(`supervisor`), so that it goes on when the tool dies; the children import only what `records`,
`processes`, `roles` and `launcher` need, because one starts for each change.
"""
