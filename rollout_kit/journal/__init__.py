"""What makes a rollout survive its process: the journal, the lock, and what people left beside them."""
