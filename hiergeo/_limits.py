"""Every cap on untrusted input: how much is read from files, servers and options before they are refused."""

JSON_BYTES = 1 << 28
"""Bytes of a JSON file."""

JSON_DEPTH = 32
"""Nested lists and objects of a JSON file."""

IMAGE_PIXELS = 1 << 28
"""Pixels of an image, width times height."""

IMAGE_SIDE = 1 << 16
"""Pixels along the longer side of an image."""

TRAINING_STEPS = 10**9
"""Steps, epochs or looks of a training."""

BATCH = 1 << 20
"""Items of a batch."""

WIDTH = 1 << 16
"""Units of a layer: dimensions of a head's embeddings, its hidden width, the rank of an adapter."""

PROTOCOL_STEPS = 100_000
"""Thresholds of a ladder, points of a traversal."""

RESAMPLES = 1_000_000
"""Bootstrap resamples."""

SEEDS = 1000
"""Seeds of a study."""

SCENES = 1_000_000
"""Generated scenes."""

SEED = 2**63 - 1
"""The largest seed of a generator."""

MESSAGE_CHARACTERS = 1000
"""Characters of an error or a warning; of a longer one the middle is left out."""

NAME_BYTES = 255
"""Bytes of the name of a file or folder, which is what almost every file system allows."""

PATH_BYTES = 4096
"""Bytes of a whole path."""
