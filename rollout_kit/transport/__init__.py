"""Requests and answers over HTTP: sent, waited for, retried, read as JSON, their errors in words."""
