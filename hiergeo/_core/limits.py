"""How much is read from files, servers and options before they are refused: the caps on untrusted input."""

JSON_BYTES = 1 << 28  # bytes of a JSON file
JSON_DIGITS = 19  # digits of a whole number in a JSON file: those of 2^63
JSON_DEPTH = 32  # nested lists and objects of a JSON file
TEXT_BYTES = 1 << 28  # bytes of a text file that is read whole
RECORD_CHARACTERS = 1 << 20  # characters of a record of a CSV file; Python's reader takes 131,072 of each of its cells
# Characters of a text that is embedded as an item of a corpus: models read the first few hundred words.
ITEM_CHARACTERS = 1 << 16
IMAGE_BYTES = 1 << 29  # bytes of an image file: those of 179 million pixels, which Pillow takes, without compression
IMAGE_PIECES = 1_000_000  # pieces in which an image file is read: a PNG of `IMAGE_BYTES` takes 200,000
# Times its shorter side that the longer one of an image may have: models scale both until the shorter one fits.
IMAGE_ASPECT = 100
DOWNLOAD_BYTES = 1 << 32  # bytes of a downloaded file
INFLATED_BYTES = 1 << 28  # bytes that a compressed file may inflate to whatever its own size is
# Times its own size that a file may inflate to beyond `INFLATED_BYTES`: captions reach 100, zeros 1000.
INFLATED_RATIO = 200
TENSOR_HEADER_BYTES = 1 << 24  # bytes of the header of a safetensors file, which names its tensors: 100,000 of them
# Digits of a whole number in the configuration of another library: tokenizers write 10^30 for "no limit".
FOREIGN_DIGITS = 40
LAYERS = 1000  # how often the configuration of a model may repeat a part
SETTING = 1 << 31  # the largest whole number in the configuration of a model
HEADS_STACKED = 8  # maximum number of stacked heads, the configuration of each naming the next
PICKLE_BYTES = 1 << 26  # bytes of the pickle that describes the tensors of a PyTorch checkpoint: 300,000 of them
TRAINING_STEPS = 10**9  # steps, epochs or looks of a training
# Items of a batch, bootstrap resamples, generated scenes, seeds, processes: what one run handles at a time.
COUNT = 1_000_000
WIDTH = 1 << 16  # units of a layer: dimensions of a head's embeddings, its hidden width, the rank of an adapter
PROTOCOL_STEPS = 100_000  # thresholds of a ladder, points of a traversal
FACTORS = 1024  # factors of a product
GEOMETRIES = 100  # geometries of a comparison or a study, dimensions and learning rates of a study
TWINS = 1000  # untrained copies of a model
SEED = 2**63 - 1  # the largest seed of a generator
MESSAGE_CHARACTERS = 1000  # characters of an error or a warning; of a longer one the middle is left out
CAPTION_CHARACTERS = 1000  # characters of a caption on a page or in a terminal; of a longer one the middle is left out
PATH_BYTES = 4096  # bytes of a whole path
