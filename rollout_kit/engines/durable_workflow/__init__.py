"""The Durable Workflow server, both generations, told apart by what they show and never by version."""
