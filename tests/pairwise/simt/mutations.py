"""Seeded bugs: what is replaced by what, which files show it, which tests are to notice. Here those of tiles, sides."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A bug of one place.

    Attributes:
        name: what is wrong.
        file: in ``csrc/cuda``.
        old, new: the text that stands there once, and what takes its place.
        units: the files to compile for it; those of the others are as they were.
        tests: those that concern it, as pytest's ``-k`` takes them.
        equivalent: why nothing can notice it, empty if something must.
    """

    name: str
    file: str
    old: str
    new: str
    units: tuple[str, ...]
    tests: str
    equivalent: str = ""


CONES, ENERGY, SCORES = ("cones.cu",), ("energy.cu",), ("scores.cu",)
COUNT, MINIMUM = "every_order and count", "(every_order and energy_min) or ties"
STORE = "stored_angles or far_pairs or (every_order and store)"
TIES = "ties_go and dtype0"

PIPELINE = (
    Mutant(
        "no barrier in the pipeline",
        "copy.cuh",
        "    await_copies<STAGES - 2>();\n    __syncthreads();",
        "    await_copies<STAGES - 2>();",
        CONES,
        COUNT,
    ),
    Mutant(
        "waits for a group too few",
        "copy.cuh",
        "await_copies<STAGES - 2>()",
        "await_copies<STAGES - 1>()",
        CONES,
        COUNT,
    ),
    Mutant(
        "refills the slot in use",
        "copy.cuh",
        "load(ahead, ahead % STAGES)",
        "load(ahead, s % STAGES)",
        CONES,
        "far_pairs or (every_order and count) or test_counts",
    ),
    Mutant(
        "no commit in the pipeline",
        "copy.cuh",
        "    commit_copies();\n    multiply(",
        "    multiply(",
        CONES,
        "test_counts",
    ),
    Mutant(
        "no barrier after the pipeline",
        "copy.cuh",
        "  await_copies<0>();\n  __syncthreads();",
        "  await_copies<0>();",
        CONES,
        COUNT,
    ),
    Mutant(
        "no wait after the pipeline",
        "copy.cuh",
        "  await_copies<0>();\n  __syncthreads();",
        "  __syncthreads();",
        CONES,
        "test_counts or many_chunks and dtype0",
        "the groups after the last step are empty",
    ),
)

TILE = (
    Mutant(
        "no barrier before a tile",
        "tile.cuh",
        "  __syncthreads();  // every thread is done with the tile before\n",
        "",
        ENERGY,
        MINIMUM,
    ),
    Mutant(
        "no barrier after the product",
        "tile.cuh",
        "Shared<T>::dots(memory));\n  __syncthreads();",
        "Shared<T>::dots(memory));",
        CONES,
        COUNT,
    ),
    Mutant(
        "a ballot that lanes without an owner miss",
        "tile.cuh",
        "  auto visit = begin(seat);\n",
        "  auto visit = begin(seat);\n  if (!seat.owned) return;\n",
        CONES,
        COUNT,
    ),
    Mutant(
        "a ballot of half of the warp",
        "tile.cuh",
        "__ballot_sync(kWarp, seat.owned)",
        "__ballot_sync(0xffffu, seat.owned)",
        CONES,
        COUNT,
    ),
    Mutant(
        "walkers that overlap the place",
        "tile.cuh",
        "walkers_at + Tile<T>::size * sizeof(Point<T>)",
        "walkers_at + (Tile<T>::size - 8) * sizeof(Point<T>)",
        CONES,
        COUNT,
    ),
    Mutant(
        "too little shared memory", "tile.cuh", "bytes = place_at + sizeof(Place)", "bytes = place_at", CONES, COUNT
    ),
    Mutant("no last row", "tile.cuh", "? int(left) : Shape", "? int(left) - 1 : Shape", CONES, "test_counts"),
    Mutant(
        "an owner beyond the last",
        "tile.cuh",
        "place.owner + column < owners.count}",
        "place.owner + column <= owners.count}",
        CONES,
        COUNT,
    ),
    Mutant(
        "repairs of another lane",
        "near.cuh",
        "(rank - done) * kSharers & 31",
        "(rank - done + 1) * kSharers & 31",
        SCORES,
        STORE,
    ),
    Mutant(
        "repairs with the norm of another row",
        "near.cuh",
        "other = b.inverses[b.point(batch, j)]",
        "other = b.inverses[b.point(batch, first)]",
        SCORES,
        STORE,
    ),
)

PRODUCT = (
    Mutant("one row too many", "product_fma.cuh", "32 * i < left ?", "32 * i <= left ?", CONES, COUNT),
    Mutant("one number too many", "product_fma.cuh", "k < width &&", "k <= width &&", SCORES, STORE),
    Mutant(
        "no last numbers of a row",
        "product_fma.cuh",
        "(width + Shape::depth - 1) / Shape::depth;",
        "width / Shape::depth;",
        SCORES,
        STORE,
    ),
    Mutant(
        "fragments of b swapped",
        "product_mma.cuh",
        "lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2",
        "lane / 8 % 2 * 8 + lane % 8, 2 * k + lane / 16",
        SCORES,
        STORE,
    ),
    Mutant(
        "halves of a swapped",
        "product_mma.cuh",
        "lane % 16, 2 * k + lane / 16)",
        "lane % 16, 2 * k + 1 - lane / 16)",
        SCORES,
        STORE,
    ),
    Mutant("no swizzle", "product_mma.cuh", "(c ^ (row / 2 % 4))", "c", SCORES, "conflicts"),
    Mutant(
        "a swizzle of another row", "product_mma.cuh", "(c ^ (row / 2 % 4))", "(c ^ (row % 4))", SCORES, "conflicts"
    ),
    Mutant(
        "results of the lower rows misplaced",
        "product_mma.cuh",
        "to + 8 * Tile<float>::pitch",
        "to + 4 * Tile<float>::pitch",
        SCORES,
        STORE,
    ),
    Mutant(
        "chunks beyond the width",
        "product_mma.cuh",
        "begin + c * Shape::chunk < width",
        "begin + c * Shape::chunk <= width",
        SCORES,
        STORE,
    ),
    Mutant(
        "TF32 cut off and not rounded",
        "product_mma.cuh",
        "to[i] = round_to_tf32(to[i])",
        "to[i] &= 0xffffe000u",
        SCORES,
        "tf32",
    ),
)

SIDES = (
    Mutant(
        "norms reused early",
        "prepare.cu",
        "    __syncthreads();  // norms are free again\n",
        "",
        ("prepare.cu",),
        "every_order and count",
    ),
    Mutant(
        "strides of batch and row swapped",
        "prepare.cu",
        "made.rows.stride(0),\n               made.rows.stride(1)",
        "made.rows.stride(1),\n               made.rows.stride(0)",
        ("prepare.cu",),
        "test_counts",
    ),
    Mutant(
        "an index of 32 bits",
        "side.cuh",
        "(batch * batch_stride + i * row_stride)",
        "int32_t(batch * batch_stride + i * row_stride)",
        ("scores.cu", "prepare.cu"),
        "far_apart",
    ),
    Mutant(
        "an output index of 32 bits",
        "scores.cu",
        "row_stride = out.row_stride, to",
        "row_stride = int32_t(out.row_stride), to",
        SCORES,
        "far_apart",
    ),
)

IN_TILES = (*PIPELINE, *TILE, *PRODUCT, *SIDES)
