"""The manual driver: a person, or the controller that they steer, changes the fleet.

It opens no connection to infrastructure. What stands there it reads off the server (`names` says how a
version reads as an image), off the journal's picture of the fleet before the first write, and off what
was asked since and found done (`book`); `wording` puts a change into the words of a request.
"""
