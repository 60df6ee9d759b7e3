"""Seeded bugs of what becomes of tiles: reductions, searches, gradients, products of spaces."""

from tests.pairwise.simt.mutations import CONES, COUNT, ENERGY, MINIMUM, SCORES, TIES, mutants

RANKS, PRODUCTS_TESTS = ("ranks.cu",), "test_native_cuda_search and test_stored"

REDUCTIONS = (
    *mutants(
        "energy.cu",
        ENERGY,
        (
            "folds without a barrier",
            "    folds[threadIdx.x] = fold;\n    __syncthreads();",
            "    folds[threadIdx.x] = fold;",
            MINIMUM,
        ),
        (
            "folds over products in use",
            "    __syncthreads();\n    folds[threadIdx.x] = fold;",
            "    folds[threadIdx.x] = fold;",
            MINIMUM,
        ),
        ("equal energies go to the higher column", "other.column < column)", "other.column > column)", TIES),
        (
            "partial results read by other strides",
            "partials[s * rows + i]",
            "partials[i * spans + s]",
            "every_order and energy_min or many_chunks and dtype0",
        ),
    ),
    *mutants(
        "cones.cu",
        CONES,
        (
            "counts without a barrier",
            "__popcll(inside);\n      __syncthreads();",
            "__popcll(inside);",
            f"{COUNT} or test_members",
        ),
        ("members a place too far", "place += g < group ?", "place += g <= group ?", "test_members"),
        (
            "the aperture of the other side",
            "exterior_angle() <= x.number",
            "exterior_angle() <= y.number",
            "test_counts",
        ),
    ),
)

SEARCH = (
    *mutants(
        "nearest.cuh",
        ("search.cu",),
        (
            "a merge without a barrier",
            "buffer_[i] = {kNoKey, kNoColumn};\n    __syncthreads();",
            "buffer_[i] = {kNoKey, kNoColumn};",
            "every_order and smallest",
        ),
        (
            "a buffer that runs over",
            "waiting_ > capacity_ - kThreads",
            "waiting_ > capacity_",
            "many_chunks and dtype0 or ties",
        ),
        ("equal scores go to the higher column", "column < other.column", "column > other.column", TIES),
    ),
    *mutants(
        "ladder.cu",
        ("ladder.cu",),
        ("a scan without a barrier", "last = own;\n      __syncthreads();", "last = own;", "every_order and ladder"),
        (
            "a shuffle from the wrong lane",
            "__shfl_up_sync(kWarp, own.index, distance)",
            "__shfl_up_sync(kWarp, own.index, distance - 1)",
            "test_ladders",
        ),
        ("a stale prefix", "      own.take(before);\n", "", "many_chunks and dtype0 or ties"),
    ),
)

GRADIENTS = (
    *mutants(
        "pulls.cu",
        ("pulls.cu",),
        (
            "near pairs listed without a barrier",
            "if (weights.take) weight = 0;\n        }\n        __syncthreads();",
            "if (weights.take) weight = 0;\n        }",
            "common_lines or test_gradients",
        ),
        ("near pairs counted twice", "if (weights.take) weight = 0;", "", "common_lines or test_gradients"),
    ),
    *mutants(
        "weights.cu",
        ("weights.cu",),
        (
            "strides of the upstream gradient swapped",
            "seat.walker * upstream.row_stride",
            "seat.walker * upstream.column_stride",
            "test_gradients",
        ),
        (
            "losses of pairs that are no numbers left out",
            "values += owned ?",
            "values += owned && known ?",
            "no_number_spoils",
        ),
    ),
    *mutants(
        "backward.cu",
        ("backward.cu",),
        (
            "losses in the place of sums by the curvature",
            "double *values = by_curvature + column_sums",
            "double *values = by_curvature",
            "totals",
        ),
    ),
    *mutants(
        "weights.cu",
        ("weights.cu",),
        (
            "losses of all batches in one place",
            "weights.values[partial] = values;",
            "weights.values[partial % (weights.row_shares * columns.count)] = values;",
            "totals or (every_order and energy_total)",
        ),
    ),
    *mutants(
        "../loss.h",
        ("weights.cu",),
        (
            "a hinge that pushes beyond its margin",
            "outside < margin ? T(-1) : T(0)",
            "outside < margin ? T(-1) : T(-1)",
            "gradients_of_totals",
        ),
        (
            "a hinge that pulls",
            "outside < margin ? T(-1) : T(0)",
            "outside < margin ? T(1) : T(0)",
            "gradients_of_totals",
        ),
    ),
    *mutants(
        "../loss.h",
        ENERGY,
        ("a lack beyond the margin counts", "    lack = lack < 0 ? T(0) : lack;\n", "", "test_totals or many_chunks"),
    ),
    *mutants(
        "weights.cu",
        ("weights.cu",),
        (
            "partial sums of other words",
            "(seat.batch * weights.column_words + word) * rows.count + seat.walker",
            "(seat.batch * rows.count + seat.walker) * weights.column_words + word",
            "test_gradients",
        ),
    ),
    *mutants(
        "weights.cu",
        ("weights.cu",),
        (
            "near rows of the first half of a share in both",
            "unsigned(near_rows >> 32)",
            "unsigned(near_rows)",
            "common_lines or test_gradients",
        ),
    ),
)

PRODUCTS = (
    *mutants(
        "scores.cu",
        SCORES,
        ("the first factor of a product forgotten", "bool begun = f > 0", "bool begun = f > 1", PRODUCTS_TESTS),
        (
            "the value of another pair of a product",
            "if (!written) values[w] = value;",
            "if (!written) values[0] = value;",
            PRODUCTS_TESTS,
        ),
    ),
    *mutants(
        "tile.cuh",
        SCORES,
        (
            "a factor multiplied over products in use",
            "  __syncthreads();  // every thread is done with the tile before",
            "",
            "every_order and product",
        ),
    ),
    *mutants(
        "scores.cu",
        SCORES,
        ("a margin that is no number lost", "return b < a || b != b ? b : a;", "return b < a ? b : a;", PRODUCTS_TESTS),
    ),
    *mutants(
        "factors.cuh",
        ("factors.cu", "search.cu", "ranks.cu"),
        (
            "columns of a widened stretch misplaced",
            "body(scores(some), first);",
            "body(scores(some), 0);",
            "columns_of_many_chunks and dtypes1",
        ),
    ),
    *mutants(
        "prepare.cuh",
        ("prepare.cu",),
        ("targets of the first batch for all", "order[batch * order_stride + first + i]", "order[first + i]", "ranks"),
    ),
    *mutants(
        "ranks.cu",
        RANKS,
        (
            "the target counted before itself",
            "other == score && place < column",
            "other == score && place <= column",
            "ranks",
        ),
        ("the score of another target", "scores[i * size + i % size]", "scores[i * size]", "ranks"),
        (
            "blocks of rows one row apart",
            "side.batch_stride = height * side.row_stride;",
            "side.batch_stride = side.row_stride;",
            "ranks_of_many_rows and dtypes0",
        ),
        (
            "a reach rounded up",
            "double(score) > most ? nextafterf(score, -INFINITY) : score",
            "score",
            "test_native_cuda_search and test_counts",
        ),
    ),
    *mutants(
        "prepare.cu",
        ("prepare.cu",),
        (
            "norms in the order of the ladder",
            "known.norm.at(batch, choice.place(batch, i))",
            "known.norm.at(batch, i)",
            "known_norms",
        ),
    ),
    *mutants(
        "ladder.cu",
        ("ladder.cu",),
        ("cosines with the sign of a search", "sign * best.score", "best.score", "test_ladders"),
    ),
)

IN_OPERATIONS = (*REDUCTIONS, *SEARCH, *GRADIENTS, *PRODUCTS)
