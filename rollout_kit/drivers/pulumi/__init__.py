"""The Pulumi driver: infrastructure as a program, previewed, bound, applied, undone."""
