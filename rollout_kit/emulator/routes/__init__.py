"""HTTP routes by area; each turns a request into calls of the model and the answer into a body."""
