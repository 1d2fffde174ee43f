"""The engine of the stand-in executable. Nothing in here is part of the product, or of Pulumi."""
