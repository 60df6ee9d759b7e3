"""How much is read from files, servers and options before they are refused: the caps on untrusted input."""

JSON_BYTES = 1 << 28
"""Bytes of a JSON file."""

JSON_DIGITS = 19
"""Digits of a whole number in a JSON file: those of 2^63."""

JSON_DEPTH = 32
"""Nested lists and objects of a JSON file."""

TEXT_BYTES = 1 << 28
"""Bytes of a text file that is read whole."""

RECORD_CHARACTERS = 1 << 20
"""Characters of a record of a CSV file; Python's reader takes 131,072 of each of its cells."""

ITEM_CHARACTERS = 1 << 16
"""Characters of a text that is embedded as an item of a corpus: models read the first few hundred words."""

IMAGE_BYTES = 1 << 29
"""Bytes of an image file: those of 179 million pixels, which Pillow takes, without compression."""

IMAGE_PIECES = 1_000_000
"""Pieces in which an image file is read: a PNG of `IMAGE_BYTES` takes 200,000."""

IMAGE_ASPECT = 100
"""Times its shorter side that the longer one of an image may have: models scale both until the shorter one fits."""

DOWNLOAD_BYTES = 1 << 32
"""Bytes of a downloaded file."""

INFLATED_BYTES = 1 << 28
"""Bytes that a compressed file may inflate to whatever its own size is."""

INFLATED_RATIO = 200
"""Times its own size that a file may inflate to beyond `INFLATED_BYTES`: captions reach 100, zeros 1000."""

TENSOR_HEADER_BYTES = 1 << 24
"""Bytes of the header of a safetensors file, which names its tensors: 100,000 of them."""

FOREIGN_DIGITS = 40
"""Digits of a whole number in the configuration of another library: tokenizers write 10^30 for "no limit"."""

LAYERS = 1000
"""How often the configuration of a model may repeat a part."""

SETTING = 1 << 31
"""The largest whole number in the configuration of a model."""

HEADS_STACKED = 8
"""Maximum number of stacked heads, the configuration of each naming the next."""

PICKLE_BYTES = 1 << 26
"""Bytes of the pickle that describes the tensors of a PyTorch checkpoint: 300,000 of them."""

TRAINING_STEPS = 10**9
"""Steps, epochs or looks of a training."""

COUNT = 1_000_000
"""Items of a batch, bootstrap resamples, generated scenes, seeds, processes: what one run handles at a time."""

WIDTH = 1 << 16
"""Units of a layer: dimensions of a head's embeddings, its hidden width, the rank of an adapter."""

PROTOCOL_STEPS = 100_000
"""Thresholds of a ladder, points of a traversal."""

FACTORS = 1024
"""Factors of a product."""

GEOMETRIES = 100
"""Geometries of a comparison or a study, dimensions and learning rates of a study."""

SEED = 2**63 - 1
"""The largest seed of a generator."""

MESSAGE_CHARACTERS = 1000
"""Characters of an error or a warning; of a longer one the middle is left out."""

CAPTION_CHARACTERS = 1000
"""Characters of a caption on a page or in a terminal; of a longer one the middle is left out."""

NAME_BYTES = 255
"""Bytes of the name of a file or folder, which is what almost every file system allows."""

PATH_BYTES = 4096
"""Bytes of a whole path."""
