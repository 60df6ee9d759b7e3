"""How much is read from files, servers and options before they are refused: the caps on untrusted input."""

JSON_BYTES = 1 << 28
"""Bytes of a JSON file."""

JSON_DIGITS = 19
"""Digits of a whole number in a JSON file: those of 2^63."""

JSON_DEPTH = 32
"""Nested lists and objects of a JSON file."""

IMAGE_PIXELS = 1 << 28
"""Pixels of an image, width times height."""

IMAGE_SIDE = 1 << 16
"""Pixels along the longer side of an image."""

ARCHIVE_MEMBERS = 1024
"""Arrays of an npz file."""

ARRAY_SIDE = 1 << 48
"""Entries of an array along one of its dimensions."""

INFLATED_BYTES = 1 << 28
"""Bytes that a compressed file may inflate to whatever its own size is."""

INFLATED_RATIO = 200
"""Times its own size that a file may inflate to beyond `INFLATED_BYTES`: captions reach 100, zeros 1000."""

TENSOR_HEADER_BYTES = 1 << 24
"""Bytes of the header of a safetensors file, which names its tensors: 100,000 of them."""

HEAD_WIDTH = 1 << 24
"""Dimensions of a head's embeddings, and width of its perceptron."""

HEADS_STACKED = 8
"""Heads that stand on each other, the configuration of each naming the next."""

PICKLE_BYTES = 1 << 26
"""Bytes of the pickle that describes the tensors of a PyTorch checkpoint: 300,000 of them."""

MESSAGE_CHARACTERS = 1000
"""Characters of an error or a warning; of a longer one the middle is left out."""
