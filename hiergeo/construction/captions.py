"""The captions that chains are built of: files of any format of a corpus, or the finest captions of a dataset."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256
from pathlib import Path
from typing import final

from hiergeo._core.errors import InputError
from hiergeo.construction.build_plan import BuildPlan
from hiergeo.construction.drafts import Draft, normalised
from hiergeo.datasets import Hierarchy, reading
from hiergeo.datasets.reading import Columns, Defect, Read
from hiergeo.datasets.reading.samples import EMPTY, MISSING

READ = "read"  # the name of the first stage
SEPARATOR = "=>"  # what separates the texts of a chain in a cell; no text may hold it
MOST_CHARACTERS = 1000  # of a caption and of any text

EMPTY_INPUT = "there are no captions: the input is empty."


@final
@dataclass(frozen=True)
class CaptionSurvey:
    """What a first look at captions finds: a hash, the rows that repeat an earlier one -> that one, and all rows."""

    sha256: str
    repeats: Mapping[int, int]
    rows: int


@final
@dataclass(frozen=True)
class Captions:
    """Captions of a file or dataset that can be read any number of times, each as a new draft, maybe a dropped one."""

    name: str
    drafts: Callable[[], Iterator[Draft]]

    def survey(self) -> CaptionSurvey:
        """Read all captions once; case, blanks and final full stops tell none apart. Raises InputError without any."""
        digest, rows, firsts, read = sha256(), dict[bytes, int](), dict[int, int](), 0
        for draft in self.drafts():
            digest.update(_content(draft))
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
        """Drafts, `rows` at a time, without repeats of an earlier caption of an image; InputError if they changed."""
        digest = sha256()
        shard: list[Draft] = []
        for draft in self.drafts():
            digest.update(_content(draft))
            first = survey.repeats.get(draft.row)
            shard.append(draft if first is None else draft.drop(READ, "duplicate", f"repeats row {first}"))
            if len(shard) == rows:
                yield shard
                shard = []
        if shard:
            yield shard
        if digest.hexdigest() != survey.sha256:
            raise InputError(f"{self.name} was changed while it was read: give the same command again.")


def _content(draft: Draft) -> bytes:
    return repr((draft.row, draft.caption, draft.image, draft.dropped)).encode()


def columns_of(plan: BuildPlan) -> Columns:
    """Which columns of tables a plan reads."""
    return Columns("captions", plan.caption_column, plan.image_column, named="--{0}-column, in Python {0}_column")


def of_file(inputs: Path | str, plan: BuildPlan, out: Path) -> Captions:
    """The captions of inputs as `hiergeo.datasets.reading` reads them, but for `out`; InputError without a caption."""
    columns = columns_of(plan)
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
                yield from _drafts(sample, start, listing.base)
            start += ends

    return Captions(Path(inputs).resolve().name, drafts)


def of_hierarchy(hierarchy: Hierarchy) -> Captions:
    """The most specific captions of a dataset, by the numbers of their rows."""

    def drafts() -> Iterator[Draft]:
        for row in hierarchy.rows:
            yield _draft(row.row_id, row.positive[-1], _address(hierarchy.name, row.image_id))

    return Captions(f"{hierarchy.name}/{hierarchy.split}", drafts)


def _address(dataset: str, image: int | None) -> str:
    """What a dataset's image is called: its address in HierarCaps' own files, elsewhere ``DATASET:NUMBER``."""
    if image is None:
        return ""
    is_coco = dataset == "hierarcaps"
    return f"http://images.cocodataset.org/val2014/COCO_val2014_{image:012d}.jpg" if is_coco else f"{dataset}:{image}"


def _drafts(sample: Read, start: int, base: Path) -> Iterator[Draft]:
    if isinstance(sample, Defect):
        reason = "empty" if sample.reason in (EMPTY, MISSING) else "unreadable"
        dropped = Draft(start, "").drop(READ, reason, sample.reason)
        for row in range(start + sample.row, start + sample.row + sample.rows):
            yield replace(dropped, row=row)
    else:
        image = (sample.reference or "").removeprefix(f"{base}/")
        yield _draft(start + sample.row, sample.caption or "", image)


def _draft(row: int, caption: str, image: str) -> Draft:
    text = " ".join(caption.split())
    draft = Draft(row, text, image)
    if not text:
        return draft.drop(READ, "empty", MISSING)
    if len(text) > MOST_CHARACTERS:
        return draft.drop(READ, "too long", f"{len(text):,} characters of at most {MOST_CHARACTERS:,}")
    if SEPARATOR in text:
        return draft.drop(READ, f"holds {SEPARATOR}", f"{SEPARATOR} separates the texts of a chain")
    return draft
