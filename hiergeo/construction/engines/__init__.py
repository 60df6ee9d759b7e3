"""What runs language models: endpoints, local models, and batches on a cluster."""
