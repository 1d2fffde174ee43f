"""Live objects of a Kubernetes cluster: what runs, who is in rotation, and why a pod does not start."""
