"""Stores: what holds embeddings and finds candidates among them."""
