"""How much is read from files, servers and options before they are refused: every cap on untrusted input, in one place."""

JSON_BYTES = 1 << 28
"""Bytes of a JSON file."""

JSON_DEPTH = 32
"""Nested lists and objects of a JSON file."""

IMAGE_PIXELS = 1 << 28
"""Pixels of an image, width times height."""

IMAGE_SIDE = 1 << 16
"""Pixels along the longer side of an image."""

MESSAGE_CHARACTERS = 1000
"""Characters of an error or a warning; of a longer one the middle is left out."""
