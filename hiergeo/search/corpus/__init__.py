"""Embedding the inputs of an index: any number of workers, resumable, straight into its shards."""
