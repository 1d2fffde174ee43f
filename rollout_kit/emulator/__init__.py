"""The rollout surface of a Durable Workflow server, small enough for a test and real enough for one.

The model is pure and works over a store; the WSGI application and the process entry points stand
around it. Two generations of the server are told apart by `model.settings.Generation`.
"""
