"""A fleet on Kubernetes: API nodes, scheduler, maintenance, workers, jobs, each a small component."""
