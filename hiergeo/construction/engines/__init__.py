"""What runs language models: endpoints and local models."""
