"""The formats of ``--format``."""

from hiergeo._core.records import FORMATS as FORMATS
from hiergeo._core.records import check_format as check_format
