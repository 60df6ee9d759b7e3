"""Files of embeddings, as other tools write them and as hiergeo does: rows, their captions and images, their space."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo._core.storage.documents import Foreign, parse_json, validated
from hiergeo._core.storage.files import atomic_write, path_of, size_of
from hiergeo._core.storage.texts import read_lines
from hiergeo.datasets.reading.columnar import arrow_files, columnar_parts, schema_of
from hiergeo.datasets.reading.inputs import suffix_of
from hiergeo.datasets.reading.samples import CAPTIONS, IDS, IMAGES, KEYS, usual
from hiergeo.datasets.tables import TABLES, read_table

Arrays: TypeAlias = dict[str, NDArray[Any]]

ROWS = ("embeddings", "embedding", "embeds", "features", "vectors", "vector", "emb", "rows", "arr_0")
"""What rows are called where nothing says of what they are, as arrays of a file or as the column of a table."""

ARRAYS = {
    "text": Array("f", (2, 3), False, (*(f"{what}_{rows}" for what in ("text", "caption") for rows in ROWS), *ROWS)),
    "caption": Array("U", (1, 2), False, ("captions", "texts", "words", "labels")),
    "root": Array("f", (1,), False),
    "image": Array("f", (2,), False, tuple(f"{what}_{rows}" for what in ("image", "img") for rows in ROWS)),
    "image_id": Array("iuU", (1,), False, ("image_ids", "image_path", "image_paths", "filepath")),
    "id": Array("iuU", (1,), False, ("ids", "sku")),
    "coordinates": Array("U", (0,), False),
    "curvature": Array("f", (0,), False),
    "min_radius": Array("f", (0,), False),
    "model": Array("U", (0,), False),
    "fingerprint": Array("U", (0,), False),
    "work": Array("U", (0,), False),
}
"""What a file holds: rows of texts, of any norm but zero, the root, rows of images by COCO id or name of a file, ids of
the rows of texts or else of images, which points of a hyperbolic space the rows are and how wide its cones, and what
embedded them."""

METADATA = "embedding_space"
"""The key of the metadata of a Parquet or safetensors file that says in JSON in which space its rows are."""

SUFFIXES = (".npy", ".npz", ".safetensors", ".parquet", ".arrow", ".h5", ".hdf5", ".vec", ".kv", ".model", ".txt")
"""Suffixes of files of embeddings."""


class EmbeddingSpace(Foreign):
    """In which space the rows of a file are; what is not there is not known.

    Attributes:
        coordinates: which points of a hyperbolic space they are, such as ``hyperboloid``; None for flat rows.
        curvature: of that space, below 0.
        root: the row of the empty caption.
        min_radius: the scale of entailment cones.
        model: what embedded them.
        fingerprint: of that model, 16 hexadecimal digits.
        work: which run wrote the file, so that the same one has nothing to do.
        captions: the texts of the rows, of a file that has no place for strings.
    """

    coordinates: str | None = None
    curvature: float | None = None
    root: list[float] | None = None
    min_radius: float | None = None
    model: str | None = None
    fingerprint: str | None = None
    work: str | None = None
    captions: list[str] | None = None

    def arrays(self) -> Arrays:
        """What it says, as the arrays of `ARRAYS`."""
        said = {"caption" if name == "captions" else name: value for name, value in self if value is not None}
        return {name: np.array(value) for name, value in said.items()}


def is_vectors(path: Path) -> bool:
    """Whether a path is that of embeddings: by its suffix, and of safetensors, which may be weights, by its arrays."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return bool(arrow_files(path))
    return path.suffix.lower() != ".safetensors" or "text" in archives.named(ARRAYS, _tensors(path))


def has_vectors(path: Path) -> bool:
    """Whether a file is of embeddings, which a table is that has a column of vectors."""
    table = path.suffix.lower() == ".parquet" or bool(arrow_files(path))
    if not table or not path.exists():
        return is_vectors(path)
    return any(_is_rows(field.type) for file in arrow_files(path) or [path] for field in schema_of(file))


def read_vectors(path: Path, table: str | None = None) -> Arrays:
    """The arrays of a file of embeddings by the names of `ARRAYS`: of texts, of images or of both.

    Read are ``.npy``; ``.npz``, ``.safetensors`` and HDF5, whose arrays may have the names that others give them;
    Parquet, Arrow and folders of the library datasets with a column of vectors; word2vec's text (``.txt``, ``.vec``)
    and what gensim saves (``.kv``, ``.model``; of ``PoincareModel`` as points of the ball of curvature -1).

    Args:
        path: the file.
        table: ``FILE`` or ``FILE:COLUMN``, the texts that the rows are of, in their order: a text file of one a line,
            or a table, whose column of images names the rows of images. None is what the file itself holds.

    Raises:
        InputError: there is no such file, it is damaged or of another format, has no rows, or counts differ.
        UnavailableError: h5py is not installed.
    """
    if size_of(path) is None and not path.is_dir():
        raise InputError(f"there is no file {path}.")
    suffix, own = path.suffix.lower(), None if table is None else _own_column(path, table)
    known = archives.read(path, ARRAYS) if suffix == ".npz" else _checked(path, _held(path, suffix, own))
    if not {"text", "image"} & known.keys():
        raise InputError(f"{path} has no rows of texts or images: call them 'text' or 'image'.")
    return known if table is None or own else _with_texts(path, known, table)


def _held(path: Path, suffix: str, own: str | None) -> Arrays:
    """What a file other than an ``.npz`` holds, by its own names."""
    try:
        if suffix in (".kv", ".model"):
            return _of_gensim(path)
        if suffix in (".txt", ".vec"):
            return _of_word2vec(path)
        if suffix in (".parquet", ".arrow") or arrow_files(path):
            return _of_table(path, own)
        if suffix in (".h5", ".hdf5"):
            return _of_hdf5(path)
        if suffix == ".safetensors":
            return _of_safetensors(path)
        if suffix == ".npy":
            return {"text": np.load(path, mmap_mode="c", allow_pickle=False)}
    except (InputError, UnavailableError):
        raise
    except Exception as error:  # every format has errors of its own
        raise InputError(f"{path} is damaged or holds no rows of numbers ({reason(error)}).") from error
    raise InputError(f"{path} is not a file of embeddings that can be read: name one of {', '.join(SUFFIXES)}.")


def _checked(path: Path, held: Arrays) -> Arrays:
    known = {name: held[other] for name, other in archives.named(ARRAYS, held).items()}
    for name, array in known.items():
        if array.dtype != object:
            archives.check(path, name, ARRAYS[name], array)
            known[name] = np.asarray(array, array.dtype.newbyteorder("="), order="C")
    return known


def write_vectors(path: Path, arrays: Mapping[str, NDArray[Any]], space: EmbeddingSpace) -> None:
    """Write rows as Parquet: ``vector``, ``caption`` and ``image`` or ``image_id``, with the space as metadata.

    Args:
        path: the file, which appears whole.
        arrays: ``text`` (n, D), perhaps ``caption`` (n,), ``image`` (m, D) with ``image_id`` (m,), and ``id`` of all
            rows: texts or numbers.
        space: in which the rows are.

    Raises:
        UnavailableError: the disk is full or not writable.
    """
    import pyarrow as pa
    import pyarrow.parquet

    images = len(arrays.get("image", ()))
    rows = np.concatenate([arrays["text"], arrays["image"]]) if images else arrays["text"]
    columns = {"vector": pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])}
    if "caption" in arrays:
        columns["caption"] = pa.array(arrays["caption"].tolist() + [None] * images, pa.string())
    if "id" in arrays:
        columns["id"] = pa.array(arrays["id"].tolist())
    if images:
        names = arrays["image_id"].tolist()
        columns["image" if isinstance(names[0], str) else "image_id"] = pa.array([None] * (len(rows) - images) + names)
    said = json.dumps(space.model_dump(exclude_none=True))
    with atomic_write(path) as handle:
        pyarrow.parquet.write_table(pa.table(columns).replace_schema_metadata({METADATA: said}), handle)


def _own_column(path: Path, table: str) -> str | None:
    """The column of the file itself that ``FILE:COLUMN`` names; None where it names another file."""
    file, _, column = table.rpartition(":")
    return column if file and path_of(file) == path else None


def _with_texts(path: Path, arrays: Arrays, table: str) -> Arrays:
    """Arrays with the texts, and the names of images, of a table; raises InputError where counts of rows differ."""
    texts, images = _texts(table)
    shapes = {name: arrays[name].shape[:-1] for name in ("text", "image") if name in arrays}
    for name, of, listed in (("caption", "text", texts), ("image_id", "image", images)):
        if of not in shapes or listed is None:
            continue
        count = int(np.prod(shapes[of]))
        if len(listed) != count:
            raise InputError(f"{table} has {len(listed):,} {name}s and {path} {count:,} rows: give one for each.")
        arrays[name] = np.array(listed, dtype=object).reshape(shapes[of])
    return arrays


def _texts(table: str) -> tuple[list[str], list[str] | None]:
    """The texts of ``FILE`` or ``FILE:COLUMN``, and the images of a table that has a column of them."""
    path, column = path_of(table), ""
    if not path.exists():
        name, _, column = table.rpartition(":")
        path = path_of(name or table)
    if suffix_of(path) not in TABLES and not arrow_files(path):
        return read_lines(path, "name a text file of one text a line, or a table"), None
    read = read_table(path, "name a file of the texts that the rows embed")
    texts, images = column or usual(read.header, CAPTIONS), usual(read.header, IMAGES)
    if texts is None:
        raise InputError(f"{path} has no column named {', '.join(CAPTIONS)}: name it, {path}:COLUMN.")
    cells = [row for _, row in read.cells([texts, *([] if images in (None, texts) else [images])])]
    return [row[0] for row in cells], [row[1] for row in cells] if len(cells[0]) > 1 else None


def _of_table(path: Path, own: str | None) -> Arrays:
    """The column of vectors of a table as rows of texts where a row has a caption, and else of images."""
    import pyarrow as pa

    parts = [part for file in arrow_files(path) or [path] for part in columnar_parts(file)]
    table = pa.Table.from_batches(parts)
    vectors = [field.name for field in table.schema if _is_rows(field.type)]
    words = [field.name for field in table.schema if field.name not in vectors]
    space = (table.schema.metadata or {}).get(METADATA.encode())
    arrays = {} if space is None else validated(EmbeddingSpace, parse_json(space)).arrays()
    known = archives.named({name: ARRAYS[name] for name in ("text", "image")}, vectors)
    if not known and len(vectors) == 1:
        known = {"text": vectors[0]}
    captions, images = own or usual(words, CAPTIONS), usual(words, (*IMAGES, *IDS))
    for name in known:
        arrays[name] = _rows(table[known[name]])
    if keys := usual(words, KEYS):
        arrays["id"] = np.array(table[keys].to_pylist(), dtype=object)
    if own is not None and own not in words:
        raise InputError(f"{path} has no column '{own}' of texts (it has {', '.join(words) or 'none'}).")
    texts = table[captions].to_pylist() if captions else None
    names = table[images].to_pylist() if images else None
    if texts is None or set(known) != {"text"} or names is None or own is not None:
        arrays |= {} if texts is None else {"caption": np.array(texts, dtype=object)}
        kept = names is not None and ((texts is None and images not in KEYS) or "image" in known)
        return arrays | ({"image_id": np.array(names, dtype=object)} if kept else {})
    is_text = np.array([text is not None for text in texts])
    if (is_text & np.array([usual(words, IMAGES) == images and bool(name) for name in names])).any():
        return arrays | {"caption": np.array(texts, dtype=object), "image_id": np.array(names, dtype=object)}
    arrays["caption"] = np.array(texts, dtype=object)[is_text]
    if not is_text.all():
        arrays["image"], arrays["image_id"] = arrays["text"][~is_text], np.array(names, dtype=object)[~is_text]
        arrays["text"] = arrays["text"][is_text]
        arrays.pop("id", None)
    return arrays


def _is_rows(kind: Any) -> bool:
    import pyarrow as pa

    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(listed and pa.types.is_floating(kind.value_type))


def _rows(column: Any) -> NDArray[Any]:
    import pyarrow.compute as pc

    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or not lengths[0]:
        raise ValueError(f"vectors of {' and '.join(map(str, lengths[:3])) or 'no'} numbers, not of one length")
    rows: NDArray[Any] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, lengths[0])
    return np.array(rows)


def _tensors(path: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as stored:
            return list(stored.keys())
    except (SafetensorError, OSError):
        return []


def _of_safetensors(path: Path) -> Arrays:
    import torch
    from safetensors import safe_open

    with safe_open(path, "pt") as stored:
        said = (stored.metadata() or {}).get(METADATA)
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    arrays = {name: (t.float() if t.dtype == torch.bfloat16 else t).numpy() for name, t in tensors.items()}
    return arrays | ({} if said is None else validated(EmbeddingSpace, parse_json(said.encode())).arrays())


def _of_hdf5(path: Path) -> Arrays:
    try:
        import h5py
    except ImportError as error:
        raise UnavailableError(f"{path} is read by h5py, which is not installed: pip install h5py.") from error
    with h5py.File(path) as stored:
        held = {name: stored[name] for name in stored if isinstance(stored[name], h5py.Dataset)}
        return {
            name: np.array(data.asstr()[()], dtype=str) if h5py.check_string_dtype(data.dtype) else data[()]
            for name, data in held.items()
        }


def _of_word2vec(path: Path) -> Arrays:
    lines = read_lines(path, "name a file of embeddings")
    header = lines[0].split() if lines else []
    counted = len(header) == 2 and all(cell.isdigit() for cell in header)
    dim = int(header[1]) if counted else len(header) - 1
    rows = [line.rstrip().rsplit(" ", dim) for line in lines[counted:]]
    if dim < 1 or not rows or any(len(row) != dim + 1 for row in rows):
        raise InputError(f"{path} does not hold a word and {max(dim, 1)} numbers a line, as word2vec writes its text.")
    numbers = np.array([row[1:] for row in rows], dtype=np.float32)
    return {"text": numbers, "caption": np.array([row[0] for row in rows], dtype=object)}


class _Shell(dict[Any, Any]):
    """In place of the objects of a pickle: it keeps their state and runs nothing."""

    def __init__(self, *_: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        vars(self).update(state if isinstance(state, dict) else {})

    def add(self, *_: Any) -> None:
        """As a set's."""


class _Pickled(pickle.Unpickler):
    """Reads arrays of numpy, and every other object as a `_Shell`, so that no code of the file is run."""

    def find_class(self, module: str, name: str) -> Any:
        """Numpy's arrays alone."""
        if module.partition(".")[0] == "numpy" and name in ("ndarray", "dtype", "_reconstruct", "scalar"):
            return super().find_class(module, name)
        return type(name, (_Shell,), {})


def _of_gensim(path: Path) -> Arrays:
    with path.open("rb") as handle:
        saved = _Pickled(handle).load()
    held = (vars(saved).get("kv"), vars(saved).get("wv"), saved)
    vectors = next(one for one in held if one is not None)
    rows, beside = vars(vectors).get("vectors"), path.with_name(f"{path.name}.vectors.npy")
    if rows is None and beside.exists():
        rows = np.load(beside, allow_pickle=False)
    words = list(map(str, vars(vectors)["index_to_key"]))
    arrays = {"text": np.asarray(rows), "caption": np.array(words, dtype=object)}
    hyperbolic = "Poincare" in f"{type(saved).__name__}{type(vectors).__name__}"
    return arrays | ({"coordinates": np.array("ball"), "curvature": np.array(-1.0)} if hyperbolic else {})
