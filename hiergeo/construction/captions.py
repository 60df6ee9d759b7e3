"""The captions that chains are built of: files of any format of a corpus, or the finest captions of a dataset."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any, final

from hiergeo._core.errors import InputError
from hiergeo._core.text import one_line
from hiergeo.construction.build_plan import BuildPlan
from hiergeo.construction.drafts import Draft, normalised
from hiergeo.datasets import Hierarchy, reading
from hiergeo.datasets.chains import is_address
from hiergeo.datasets.reading import Columns, Defect, Read
from hiergeo.datasets.reading.samples import EMPTY, MISSING

READ = "read"
"""The name of the first stage."""

SEPARATOR = "=>"
"""What separates the texts of a chain in a cell; no text may hold it."""

MOST_CHARACTERS = 1000
"""Of a caption and of any text."""

COCO = "http://images.cocodataset.org/val2014/COCO_val2014_{:012d}.jpg"
"""Address of an image of HierarCaps, as its own files have it."""


@final
@dataclass(frozen=True)
class CaptionSurvey:
    """What a first look at captions finds: a hash, the rows that repeat a first one, and how many there are."""

    sha256: str
    firsts: Mapping[int, int]
    rows: int


@final
@dataclass(frozen=True)
class Captions:
    """Captions of a file or dataset that can be read any number of times, each as a new draft, maybe a dropped one."""

    name: str
    drafts: Callable[[], Iterator[Draft]]

    def survey(self) -> CaptionSurvey:
        """Read all captions once, to know them again and to find those that repeat others.

        Raises InputError without any.

        They count as equal if they differ in case, blanks and final full stops alone. A hash of each is held in memory.
        """
        digest, rows, firsts, read = sha256(), dict[bytes, int](), dict[int, int](), 0
        for draft in _hashing(self.drafts(), digest):
            read += 1
            if draft.dropped is None:
                text = f"{normalised(draft.caption)}\0{draft.image}".encode()
                first = rows.setdefault(blake2b(text, digest_size=16).digest(), draft.row)
                if first != draft.row:
                    firsts[draft.row] = first
        if not read:
            raise InputError(EMPTY_INPUT)
        return CaptionSurvey(digest.hexdigest(), firsts, read)

    def shards(self, rows: int, survey: CaptionSurvey) -> Iterator[list[Draft]]:
        """Drafts, `rows` at a time; those that repeat an earlier caption of the same image are dropped.

        Raises InputError where they are not those that were surveyed.
        """
        digest = sha256()
        shard: list[Draft] = []
        for draft in _hashing(self.drafts(), digest):
            first = survey.firsts.get(draft.row)
            shard.append(draft if first is None else draft.drop(READ, "duplicate", f"repeats row {first}"))
            if len(shard) == rows:
                yield shard
                shard = []
        if shard:
            yield shard
        if digest.hexdigest() != survey.sha256:
            raise InputError(f"{self.name} was changed while it was read: give the same command again.")


def _hashing(drafts: Iterator[Draft], digest: Any) -> Iterator[Draft]:
    """The same drafts, each of which a hash takes into account."""
    for draft in drafts:
        digest.update(repr((draft.row, draft.caption, draft.image, draft.dropped)).encode())
        yield draft


EMPTY_INPUT = "there are no captions: the input is empty."


def of_file(inputs: Path | str, plan: BuildPlan, out: Path) -> Captions:
    """The captions of a file, a folder or a pattern of inputs, as `hiergeo.datasets.reading` reads them, but for `out`.

    Raises InputError if there is no input, or the first one lacks the columns that are asked for.
    """
    columns = Columns("captions", plan.caption_column, plan.image_column)
    listing = reading.listing(inputs, columns, out)
    files = [listing.base / source.name for source in listing.sources]
    for file in files:
        reading.peek(file, columns)
    if not any(True for file in files for _ in reading.read(file, columns)):
        raise InputError(EMPTY_INPUT)

    def drafts() -> Iterator[Draft]:
        start = 0
        for file in files:
            ends = 0
            for sample in reading.read(file, columns):
                ends = sample.row + (sample.rows if isinstance(sample, Defect) else 1)
                yield from _drafts(sample, start, listing.base, plan)
            start += ends

    return Captions(Path(inputs).resolve().name, drafts)


def of_hierarchy(hierarchy: Hierarchy, plan: BuildPlan) -> Captions:
    """The most specific captions of a dataset, by the numbers of their rows."""

    def drafts() -> Iterator[Draft]:
        for row in hierarchy.rows:
            yield _draft(row.row_id, row.positive[-1], image_name(hierarchy.name, row.image_id), plan)

    return Captions(f"{hierarchy.name}/{hierarchy.split}", drafts)


def image_name(dataset: str, image: int | None) -> str:
    """What the image of a dataset is called: its address where it has one, ``DATASET:NUMBER`` otherwise."""
    if image is None:
        return ""
    return COCO.format(image) if dataset == "hierarcaps" else f"{dataset}:{image}"


def _drafts(sample: Read, start: int, base: Path, plan: BuildPlan) -> Iterator[Draft]:
    if isinstance(sample, Defect):
        empty = sample.reason in (EMPTY, MISSING)
        dropped = Draft.begin(start, "", "", plan.tiers)
        for row in range(start + sample.row, start + sample.row + sample.rows):
            yield replace(dropped, row=row).drop(READ, "empty" if empty else "unreadable", sample.reason)
        return
    image = (sample.reference or "").removeprefix(f"{base}/")
    yield _draft(start + sample.row, sample.caption or "", image, plan)


def _draft(row: int, caption: str, image: str, plan: BuildPlan) -> Draft:
    text = " ".join(caption.split())
    if not is_address(image):
        detail = f"{one_line(image)} holds a line end or half a character"
        return Draft.begin(row, text, "", plan.tiers).drop(READ, "unusable image", detail)
    draft = Draft.begin(row, text, image, plan.tiers)
    if not text:
        return draft.drop(READ, "empty", MISSING)
    if len(text) > MOST_CHARACTERS:
        return draft.drop(READ, "too long", f"{len(text):,} characters of at most {MOST_CHARACTERS:,}")
    if SEPARATOR in text:
        return draft.drop(READ, f"holds {SEPARATOR}", f"{SEPARATOR} separates the texts of a chain")
    return draft
