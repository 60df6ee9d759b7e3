"""Seeded bugs of the contrast of every pair, and of points that are nearer than their rays tell apart."""

from tests.pairwise.simt.mutations import SCORES, mutants

CONTRAST, WEIGHTS, BACKWARD = ("contrast.cu",), ("weights.cu",), ("backward.cu",)
SMALL, FEW, CHUNKS = "small_problems", "few_rows and False and contrast", "many_chunks and logsumexp and dtype0"

IN_CONTRAST = (
    *mutants(
        "contrast.cu",
        CONTRAST,
        (
            "a square read before it is there",
            "logit.of(logit.measure(from[i * chunk.columns + line]));\n    __syncthreads();",
            "logit.of(logit.measure(from[i * chunk.columns + line]));",
            "every_order and contrast",
        ),
        (
            "parts of lines merged before they are there",
            "parts[part][line] = fold;\n      __syncthreads();",
            "parts[part][line] = fold;",
            "every_order and contrast",
        ),
        (
            "parts of columns over those of rows",
            "to[line] = fold;\n      }\n      __syncthreads();",
            "to[line] = fold;\n      }",
            "every_order and contrast",
        ),
        ("lines longer than a square", "length - first < kPart ? length - first : kPart", "kPart", SMALL),
        ("a sum kept at the top that it had", "sum = sum * exponential(top - highest)", "sum = sum", CHUNKS),
        ("a top that stays", "    top = highest;\n", "", CHUNKS),
        ("matches of the first part alone", "    matched += other.matched;\n", "", SMALL),
        (
            "labels of the columns of the first chunk",
            "columns + chunk.column + column : nullptr",
            "columns + column : nullptr",
            CHUNKS,
        ),
        ("labels of the rows of the first chunk", "rows + chunk.row + row : nullptr", "rows + row : nullptr", CHUNKS),
        (
            "labels of the first problem of a chunk",
            "logits.x_label + batch * rows",
            "logits.x_label + chunk.batch * rows",
            SMALL,
        ),
        ("numbers of the first problem of a chunk", "logits.at(batch)", "logits.at(chunk.batch)", SMALL),
        ("numbers of the problems before a chunk", "batch = chunk.batch + b;", "batch = b;", CHUNKS),
        (
            "squares of columns by other strides",
            "of_columns + (b * row_tiles + row_tile) * chunk.columns",
            "of_columns + (row_tile * chunk.batches + b) * chunk.columns",
            "small_problems or (few_rows and True)",
        ),
        ("every other square", "p += 32", "p += 64", FEW),
        ("squares of half a warp", "int reach = 16; reach > 0", "int reach = 8; reach > 0", FEW),
        (
            "folds of the first chunk alone",
            "shape.total + shape.first + place].merge(fold)",
            "shape.total + shape.first + place] = fold",
            CHUNKS,
        ),
        (
            "gradients by matches where nothing matches",
            "labelled ? float(matched[i]) : 0.0f",
            "float(matched[i])",
            "without_labels",
        ),
    ),
    *mutants(
        "weights.cu",
        WEIGHTS,
        ("numbers of the first problem of a chunk, weighed", "of.batch + seat.batch", "of.batch", SMALL),
        ("numbers of the first problems, weighed", "of.batch + seat.batch", "seat.batch", CHUNKS),
        ("columns of the first problem of a chunk", "seat.batch * of.column_stride + seat.owner", "seat.owner", SMALL),
        ("matches seen from the row alone", "weight + (met.matched + own.matched)", "weight + met.matched", SMALL),
        (
            "sigmoids seen from the row alone",
            "sigmoid(z) * (met.upstream + own.upstream)",
            "sigmoid(z) * met.upstream",
            "small_problems and softplus",
        ),
        (
            "a point that is no number weighs",
            "counted = owned && known ? weight : 0.0f",
            "counted = owned ? weight : 0.0f",
            "cuda_contrast and no_number",
        ),
        (
            "the scale by distances that are squared",
            "measured = logits.logit.measure(distance)",
            "measured = distance",
            "cuda_contrast and test_values and euclidean",
        ),
        (
            "slopes of the logits of no distance",
            "logits.logit.slope(distance)",
            "logits.logit.slope(1)",
            "cuda_contrast and test_values and euclidean",
        ),
        ("derivatives by K from the others near the root", ">= float(kHomogeneous)", ">= 0", "curvature_near_the_root"),
    ),
    *mutants(
        "backward.cu",
        BACKWARD,
        ("weights summed over values", "*by_logit = values + column_sums", "*by_logit = values", SMALL),
        (
            "rows of the first chunk, weighed",
            "const_data<Share>(x) + chunk.batch * n + chunk.row",
            "const_data<Share>(x) + chunk.batch * n",
            CHUNKS,
        ),
        (
            "columns of the first chunk, weighed",
            "const_data<Share>(y) + chunk.batch * m + chunk.column",
            "const_data<Share>(y) + chunk.batch * m",
            CHUNKS,
        ),
    ),
)

OF_NEAR_POINTS = (
    *mutants(
        "near.cuh",
        SCORES,
        ("vectors less half of their origin", "(v - origin[d].x) - origin[d].y", "v", "cuda_near and every_pair"),
        ("an excess of the other sign", "fmaf(-excess, (v", "fmaf(excess, (v", "cuda_near and every_pair"),
        (
            "chords as long as the row",
            "float(excess)) * longer * longer;",
            "float(excess));",
            "cuda_near and every_pair",
        ),
        (
            "near points measured on their rays",
            "if (!turned && excess > -kAlike && excess < kAlike)",
            "if (!turned && excess > kAlike && excess < kAlike)",
            "cuda_near and every_pair",
        ),
    ),
    *mutants(
        "pulls.cu",
        ("pulls.cu",),
        (
            "near points pulled along their rays",
            "const bool exact = are_exact(owners, others);",
            "const bool exact = false;",
            "cuda_near and test_gradients",
        ),
    ),
    *mutants(
        "prepare.cu",
        ("prepare.cu",),
        (
            "vectors in another order than rays",
            "made.vectors = listed ? copy_of_rows(launch, vectors, choice, width, vectors.scalar_type()) : vectors;",
            "made.vectors = vectors;",
            "cuda_near and searches",
        ),
    ),
    *mutants(
        "chunks.cuh",
        ("backward.cu", "pulls.cu"),
        (
            "vectors of the first chunk",
            "  if (side.vectors.rows != nullptr) side.vectors.rows = side.vector(batch, first);\n",
            "",
            "cuda_near and test_gradients",
        ),
    ),
)
