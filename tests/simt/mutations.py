"""The table of seeded bugs: what is replaced by what, which files show it, and which tests are to notice."""

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
RANKS, PRODUCTS_TESTS = ("ranks.cu",), "test_native_cuda_search and test_stored"

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
        "b.inverses[b.point(batch, first + chosen)]",
        "b.inverses[b.point(batch, first)]",
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

REDUCTIONS = (
    Mutant(
        "folds without a barrier",
        "energy.cu",
        "    folds[threadIdx.x] = fold;\n    __syncthreads();",
        "    folds[threadIdx.x] = fold;",
        ENERGY,
        MINIMUM,
    ),
    Mutant(
        "folds over products in use",
        "energy.cu",
        "    __syncthreads();\n    folds[threadIdx.x] = fold;",
        "    folds[threadIdx.x] = fold;",
        ENERGY,
        MINIMUM,
    ),
    Mutant(
        "no barrier after the folds",
        "energy.cu",
        "partial(spans, rows, i)] = fold;\n    }\n    __syncthreads();",
        "partial(spans, rows, i)] = fold;\n    }",
        ENERGY,
        f"{MINIMUM} or test_energies",
        "the next tile begins with a barrier",
    ),
    Mutant(
        "equal energies go to the higher column",
        "energy.cu",
        "other.column < column)",
        "other.column > column)",
        ENERGY,
        TIES,
    ),
    Mutant(
        "partial results read by other strides",
        "energy.cu",
        "partials[s * rows + i]",
        "partials[i * spans + s]",
        ENERGY,
        "every_order and energy_min or many_chunks and dtype0",
    ),
    Mutant(
        "counts without a barrier",
        "cones.cu",
        "__popcll(inside);\n      __syncthreads();",
        "__popcll(inside);",
        CONES,
        f"{COUNT} or test_members",
    ),
    Mutant(
        "members a place too far",
        "cones.cu",
        "place += g < group ?",
        "place += g <= group ?",
        CONES,
        "test_members",
    ),
    Mutant(
        "the aperture of the other side",
        "cones.cu",
        "exterior_angle() <= x.number",
        "exterior_angle() <= y.number",
        CONES,
        "test_counts",
    ),
)

SEARCH = (
    Mutant(
        "a merge without a barrier",
        "nearest.cuh",
        "buffer_[i] = {kNoKey, kNoColumn};\n    __syncthreads();",
        "buffer_[i] = {kNoKey, kNoColumn};",
        ("search.cu",),
        "every_order and smallest",
    ),
    Mutant(
        "a buffer that runs over",
        "nearest.cuh",
        "waiting_ > capacity_ - kThreads",
        "waiting_ > capacity_",
        ("search.cu",),
        "many_chunks and dtype0 or ties",
    ),
    Mutant(
        "equal scores go to the higher column",
        "nearest.cuh",
        "column < other.column",
        "column > other.column",
        ("search.cu",),
        TIES,
    ),
    Mutant(
        "no barrier after a list",
        "search.cu",
        "best.at(i).column;\n    }\n    __syncthreads();",
        "best.at(i).column;\n    }",
        ("search.cu",),
        "smallest",
        "a thread reads and refills the same places of the list",
    ),
    Mutant(
        "a scan without a barrier",
        "ladder.cu",
        "last = own;\n      __syncthreads();",
        "last = own;",
        ("ladder.cu",),
        "every_order and ladder",
    ),
    Mutant(
        "no barrier after a scan",
        "ladder.cu",
        "next = reached;\n      __syncthreads();",
        "next = reached;",
        ("ladder.cu",),
        "ladder",
        "the prefix is written again after two barriers of the next scan",
    ),
    Mutant(
        "a shuffle from the wrong lane",
        "ladder.cu",
        "__shfl_up_sync(kWarp, own.index, distance)",
        "__shfl_up_sync(kWarp, own.index, distance - 1)",
        ("ladder.cu",),
        "test_ladders",
    ),
    Mutant(
        "a stale prefix", "ladder.cu", "      own.take(before);\n", "", ("ladder.cu",), "many_chunks and dtype0 or ties"
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

GRADIENTS = (
    Mutant(
        "near pairs listed without a barrier",
        "pulls.cu",
        "if (weights.take) weight = 0;\n        }\n        __syncthreads();",
        "if (weights.take) weight = 0;\n        }",
        ("pulls.cu",),
        "collinear or test_gradients",
    ),
    Mutant(
        "near pairs counted twice",
        "pulls.cu",
        "if (weights.take) weight = 0;",
        "",
        ("pulls.cu",),
        "collinear or test_gradients",
    ),
    Mutant(
        "strides of the upstream gradient swapped",
        "weights.cu",
        "seat.walker * upstream.row_stride",
        "seat.walker * upstream.column_stride",
        ("weights.cu",),
        "test_gradients",
    ),
    Mutant(
        "losses of pairs that are no numbers left out",
        "weights.cu",
        "losses += owned ?",
        "losses += owned && known ?",
        ("weights.cu",),
        "no_number_spoils",
    ),
    Mutant(
        "losses in the place of sums by the curvature",
        "backward.cu",
        "double* losses = by_curvature + column_sums;",
        "double* losses = by_curvature;",
        ("backward.cu",),
        "totals",
    ),
    Mutant(
        "losses of all batches in one place",
        "weights.cu",
        "weights.losses[partial] = losses;",
        "weights.losses[partial % (weights.row_shares * columns.count)] = losses;",
        ("weights.cu",),
        "totals or (every_order and energy_total)",
    ),
    Mutant(
        "a hinge that pushes beyond its margin",
        "../loss.h",
        "outside < margin ? T(-1) : T(0)",
        "outside < margin ? T(-1) : T(-1)",
        ("weights.cu",),
        "gradients_of_totals",
    ),
    Mutant(
        "a hinge that pulls",
        "../loss.h",
        "outside < margin ? T(-1) : T(0)",
        "outside < margin ? T(1) : T(0)",
        ("weights.cu",),
        "gradients_of_totals",
    ),
    Mutant(
        "a lack beyond the margin counts",
        "../loss.h",
        "    lack = lack < 0 ? T(0) : lack;\n",
        "",
        ENERGY,
        "test_totals or many_chunks",
    ),
    Mutant(
        "partial sums of other words",
        "weights.cu",
        "(seat.batch * weights.column_words + word) * rows.count + seat.walker",
        "(seat.batch * rows.count + seat.walker) * weights.column_words + word",
        ("weights.cu",),
        "test_gradients",
    ),
    Mutant(
        "a sum without a barrier",
        "pulls.cu",
        "parts[threadIdx.x / 32] = sum;\n    __syncthreads();",
        "parts[threadIdx.x / 32] = sum;",
        ("pulls.cu",),
        "every_order and backward",
    ),
)

PRODUCTS = (
    Mutant(
        "the first factor of a product forgotten",
        "scores.cu",
        "bool begun = f > 0",
        "bool begun = f > 1",
        SCORES,
        PRODUCTS_TESTS,
    ),
    Mutant(
        "the value of another pair of a product",
        "scores.cu",
        "if (!written) values[w] = value;",
        "if (!written) values[0] = value;",
        SCORES,
        PRODUCTS_TESTS,
    ),
    Mutant(
        "a factor multiplied over products in use",
        "tile.cuh",
        "  __syncthreads();  // every thread is done with the tile before",
        "",
        SCORES,
        "every_order and product",
    ),
    Mutant(
        "a margin that is no number lost",
        "scores.cu",
        "return b < a || b != b ? b : a;",
        "return b < a ? b : a;",
        SCORES,
        PRODUCTS_TESTS,
    ),
    Mutant(
        "columns of a widened stretch misplaced",
        "factors.cuh",
        "body(scores(some), first);",
        "body(scores(some), 0);",
        ("store.cu", "search.cu", "ranks.cu"),
        "columns_of_many_chunks and dtypes1",
    ),
    Mutant(
        "targets of the first batch for all",
        "rows.cuh",
        "order[batch * order_stride + first + i]",
        "order[first + i]",
        ("rows.cu", "prepare.cu"),
        "ranks",
    ),
    Mutant(
        "the target counted before itself",
        "ranks.cu",
        "other == score && place < column",
        "other == score && place <= column",
        RANKS,
        "ranks",
    ),
    Mutant(
        "the score of another target", "ranks.cu", "scores[i * size + i % size]", "scores[i * size]", RANKS, "ranks"
    ),
    Mutant(
        "blocks of rows one row apart",
        "ranks.cu",
        "side.batch_stride = height * side.row_stride;",
        "side.batch_stride = side.row_stride;",
        RANKS,
        "ranks_of_many_rows and dtypes0",
    ),
    Mutant(
        "a reach rounded up",
        "ranks.cu",
        "double(score) > most ? nextafter(score, T(-INFINITY)) : score",
        "score",
        RANKS,
        "test_native_cuda_search and test_counts",
    ),
    Mutant(
        "norms in the order of the ladder",
        "prepare.cu",
        "known.norm.at(batch, choice.place(batch, i))",
        "known.norm.at(batch, i)",
        ("prepare.cu",),
        "known_norms",
    ),
    Mutant(
        "cosines with the sign of a search",
        "ladder.cu",
        "sign * best.score",
        "best.score",
        ("ladder.cu",),
        "test_ladders",
    ),
)

MUTANTS = (*PIPELINE, *TILE, *PRODUCT, *REDUCTIONS, *SEARCH, *SIDES, *GRADIENTS, *PRODUCTS)
