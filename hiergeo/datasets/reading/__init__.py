"""One reader of captions and images: tables, texts, archives and folders, row by row in bounded memory."""

from hiergeo.datasets.reading.inputs import Inputs, Source, is_input, listing, peek, read, sound
from hiergeo.datasets.reading.samples import (
    ITEMS,
    Box,
    Columns,
    Defect,
    Items,
    MissingColumnError,
    Read,
    Sample,
    UnreadableError,
)
