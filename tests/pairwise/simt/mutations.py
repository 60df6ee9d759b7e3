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
    """

    name: str
    file: str
    old: str
    new: str
    units: tuple[str, ...]
    tests: str


def mutants(file: str, units: tuple[str, ...], *bugs: tuple[str, str, str, str]) -> tuple[Mutant, ...]:
    """Bugs of one file: the name, the text and what takes its place, and the tests of each."""
    return tuple(Mutant(name, file, old, new, units, tests) for name, old, new, tests in bugs)


CONES, ENERGY, SCORES = ("cones.cu",), ("energy.cu",), ("scores.cu",)
COUNT, MINIMUM = "every_order and count", "(every_order and energy_min) or ties"
STORE = "stored_angles or far_pairs or (every_order and store)"
TIES = "exact_ties"

PIPELINE = mutants(
    "copy.cuh",
    CONES,
    (
        "no barrier in the pipeline",
        "    await_copies<STAGES - 2>();\n    __syncthreads();",
        "    await_copies<STAGES - 2>();",
        COUNT,
    ),
    ("waits for a group too few", "await_copies<STAGES - 2>()", "await_copies<STAGES - 1>()", COUNT),
    (
        "refills the slot in use",
        "load(ahead, ahead % STAGES)",
        "load(ahead, s % STAGES)",
        "every_time and count",
    ),
    ("no commit in the pipeline", "    commit_copies();\n    multiply(", "    multiply(", "every_time and count"),
    ("no barrier after the pipeline", "  await_copies<0>();\n  __syncthreads();", "  await_copies<0>();", COUNT),
)

TILE = (
    *mutants(
        "tile.cuh",
        ENERGY,
        ("no barrier before a tile", "  __syncthreads();  // every thread is done with the tile before\n", "", MINIMUM),
    ),
    *mutants(
        "tile.cuh",
        CONES,
        (
            "no barrier after the product",
            "  }\n  __syncthreads();\n}",
            "  }\n}",
            COUNT,
        ),
        (
            "a ballot that lanes without an owner miss",
            "  auto visit = begin(seat);\n",
            "  auto visit = begin(seat);\n  if (!seat.owned) return;\n",
            COUNT,
        ),
        (
            "a ballot of half of the warp",
            "__ballot_sync(kWarp, seat.owned)",
            "__ballot_sync(0xffffu, seat.owned)",
            COUNT,
        ),
        (
            "walkers that overlap the place",
            "walkers_at + Tile::size * sizeof(Point)",
            "walkers_at + (Tile::size - 8) * sizeof(Point)",
            COUNT,
        ),
        ("too little shared memory", "bytes = place_at + sizeof(Place)", "bytes = place_at", COUNT),
        ("no last row", "? int(left) : Seats", "? int(left) - 1 : Seats", "test_counts"),
        (
            "an owner beyond the last",
            "place.owner + column < owners.count}",
            "place.owner + column <= owners.count}",
            COUNT,
        ),
    ),
    *mutants(
        "tile.cuh",
        SCORES,
        (
            "16-bit numbers of one kind taken for the other",
            "product_mma<Kind::float16>",
            "product_mma<Kind::bfloat16>",
            STORE,
        ),
        ("spheres taken for flat", "return body(Constant<1>());", "return body(Constant<0>());", STORE),
    ),
    *mutants(
        "near.cuh",
        SCORES,
        (
            "chords of one kind of number for all",
            "case Dtype::float16: return chord",
            "case Dtype::float64: return chord",
            STORE,
        ),
        ("repairs of another lane", "(rank - done) * kSharers & 31", "(rank - done + 1) * kSharers & 31", STORE),
        (
            "repairs with the norm of another row",
            "other = b.inverses[b.point(batch, j)]",
            "other = b.inverses[b.point(batch, first)]",
            STORE,
        ),
    ),
)

PRODUCT = (
    *mutants("product_fma.cuh", CONES, ("one row too many", "32 * i < left ?", "32 * i <= left ?", COUNT)),
    *mutants(
        "product_fma.cuh",
        SCORES,
        ("one number too many", "k < width &&", "k <= width &&", STORE),
        ("no last numbers of a row", "(width + Shape::depth - 1) / Shape::depth;", "width / Shape::depth;", STORE),
    ),
    *mutants(
        "product_mma.cuh",
        SCORES,
        (
            "fragments of b swapped",
            "lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2",
            "lane / 8 % 2 * 8 + lane % 8, 2 * k + lane / 16",
            STORE,
        ),
        ("halves of a swapped", "lane % 16, 2 * k + lane / 16)", "lane % 16, 2 * k + 1 - lane / 16)", STORE),
        ("no swizzle", "(c ^ (row / 2 % 4))", "c", "conflicts"),
        ("a swizzle of another row", "(c ^ (row / 2 % 4))", "(c ^ (row % 4))", "conflicts"),
        ("results of the lower rows misplaced", "to + 8 * Tile::pitch", "to + 4 * Tile::pitch", STORE),
        ("chunks beyond the width", "begin + c * Shape::chunk < width", "begin + c * Shape::chunk <= width", STORE),
        ("TF32 cut off and not rounded", "to[i] = round_to_tf32(to[i])", "to[i] &= 0xffffe000u", "tf32"),
    ),
)

SIDES = (
    *mutants(
        "prepare.cu",
        ("prepare.cu",),
        ("norms reused early", "    __syncthreads();  // norms are free again\n", "", "every_order and count"),
        (
            "strides of batch and row swapped",
            "made.rows.stride(0),\n               made.rows.stride(1)",
            "made.rows.stride(1),\n               made.rows.stride(0)",
            "test_counts",
        ),
    ),
    *mutants(
        "side.cuh",
        ("scores.cu", "prepare.cu"),
        (
            "an index of 32 bits",
            "(batch * batch_stride + i * row_stride)",
            "int32_t(batch * batch_stride + i * row_stride)",
            "far_apart",
        ),
    ),
    *mutants(
        "scores.cu",
        SCORES,
        (
            "an output index of 32 bits",
            "to += out.row_stride;",
            "to += int32_t(out.row_stride);",
            "far_apart",
        ),
    ),
)

IN_TILES = (*PIPELINE, *TILE, *PRODUCT, *SIDES)
