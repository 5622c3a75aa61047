/* Convolution over a kernel map: gather, multiply and add up in one pass, without rows copied aside.
 *
 * Compiled once per instruction set and type:
 *   REAL          float or double
 *   VECTOR_BYTES  width of a vector register
 *   REGISTERS     how many of them there are
 *   NAME(x)       what x is called in this variant
 *
 * Outputs are taken tile by tile: the rows of a tile fit the second-level cache, and all offsets add to them there
 * before they are written once. One call of the innermost loop holds ROWS x VECTORS sums in registers; a row of the
 * inputs is read where it lies, one element at a time for all its products; the matrices are rearranged beforehand so
 * that theirs are read in order. Every output adds its products in the order of the offsets, every weight's gradient in
 * the order of the pairs, whatever the number of threads: the same bits every time.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parallel.h"

typedef REAL vector __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define LANES ((int64_t)(VECTOR_BYTES / sizeof(REAL)))
#define MAX_VECTORS (REGISTERS >= 32 ? 4 : 3)
#define MAX_ROWS (REGISTERS >= 32 ? 12 : 6)
#define PAIRS_AT_ONCE 256
#define ROWS_AHEAD 8

/* Rows of a block whose sums, with one row of the matrix and one element, fill the registers. */
INLINE int64_t rows_at_once(int64_t vectors) {
    if (REGISTERS >= 32) return vectors == 4 ? 6 : vectors == 3 ? 8 : 12;
    return vectors == 3 ? 4 : 6;
}

/* Columns are cut into panels of at most MAX_VECTORS vectors, as even as they come. */
INLINE int64_t vectors_of(int64_t columns) { return (columns + LANES - 1) / LANES; }
INLINE int64_t panels_of(int64_t columns) { return (vectors_of(columns) + MAX_VECTORS - 1) / MAX_VECTORS; }
INLINE int64_t first_vector(int64_t columns, int64_t panel) { return vectors_of(columns) * panel / panels_of(columns); }

/* Asks for a row that is read soon: rows lie scattered, so the processor does not guess them. */
INLINE void prefetch(const REAL *row, int64_t columns) {
    for (int64_t c = 0; c < columns; c += 64 / (int64_t)sizeof(REAL)) __builtin_prefetch(row + c);
}

/* sums[r][0 … vectors) += Σ_k left[r][k] * right[k], where right[k] is k * right_stride further on. */
INLINE void multiply_rows(const int rows, const int vectors, const REAL *const *left, REAL *const *sums, int64_t column,
                          const REAL *right, int64_t depth) {
    vector sum[MAX_ROWS][MAX_VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[r][v] = *(const vector *)(sums[r] + column + v * LANES);
    for (int64_t k = 0; k < depth; k++, right += vectors * LANES) {
        vector b[MAX_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) b[v] = *(const vector *)(right + v * LANES);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            const REAL a = left[r][k];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) sum[r][v] += a * b[v];
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) *(vector *)(sums[r] + column + v * LANES) = sum[r][v];
}

/* sums[r][0 … vectors) += Σ_p left[p][r] * right[p]: the outer products of the pairs p. */
INLINE void multiply_columns(const int rows, const int vectors, const REAL *left, int64_t left_width, const REAL *right,
                             int64_t right_width, REAL *sums, int64_t pairs) {
    vector sum[MAX_ROWS][MAX_VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[r][v] = *(const vector *)(sums + r * right_width + v * LANES);
    for (int64_t p = 0; p < pairs; p++, left += left_width, right += right_width) {
        vector b[MAX_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) b[v] = *(const vector *)(right + v * LANES);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            const REAL a = left[r];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) sum[r][v] += a * b[v];
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) *(vector *)(sums + r * right_width + v * LANES) = sum[r][v];
}

/* Calls `CALL(rows, vectors)` with constants, so that every pair has loops of its own. */
#define WITH_VECTORS(rows, vectors, CALL)                                                                              \
    switch (vectors) {                                                                                                 \
    case 1: CALL(rows, 1); break;                                                                                      \
    case 2: CALL(rows, 2); break;                                                                                      \
    case 3: CALL(rows, 3); break;                                                                                      \
    default: CALL(rows, 4); break;                                                                                     \
    }
#define WITH_CONSTANTS(rows, vectors, CALL)                                                                            \
    switch (rows) {                                                                                                    \
    case 1: WITH_VECTORS(1, vectors, CALL) break;                                                                      \
    case 2: WITH_VECTORS(2, vectors, CALL) break;                                                                      \
    case 3: WITH_VECTORS(3, vectors, CALL) break;                                                                      \
    case 4: WITH_VECTORS(4, vectors, CALL) break;                                                                      \
    case 5: WITH_VECTORS(5, vectors, CALL) break;                                                                      \
    case 6: WITH_VECTORS(6, vectors, CALL) break;                                                                      \
    case 7: WITH_VECTORS(7, vectors, CALL) break;                                                                      \
    case 8: WITH_VECTORS(8, vectors, CALL) break;                                                                      \
    case 9: WITH_VECTORS(9, vectors, CALL) break;                                                                      \
    case 10: WITH_VECTORS(10, vectors, CALL) break;                                                                    \
    case 11: WITH_VECTORS(11, vectors, CALL) break;                                                                    \
    default: WITH_VECTORS(12, vectors, CALL) break;                                                                    \
    }

static void multiply_rows_of(int64_t rows, int64_t vectors, const REAL *const *left, REAL *const *sums, int64_t column,
                             const REAL *right, int64_t depth) {
#define CALL(r, v)                                                                                                     \
    if ((r) <= MAX_ROWS && (v) <= MAX_VECTORS) multiply_rows(r, v, left, sums, column, right, depth)
    WITH_CONSTANTS(rows, vectors, CALL)
#undef CALL
}

static void multiply_columns_of(int64_t rows, int64_t vectors, const REAL *left, int64_t left_width, const REAL *right,
                                int64_t right_width, REAL *sums, int64_t pairs) {
#define CALL(r, v)                                                                                                     \
    if ((r) <= MAX_ROWS && (v) <= MAX_VECTORS)                                                                         \
    multiply_columns(r, v, left, left_width, right, right_width, sums, pairs)
    WITH_CONSTANTS(rows, vectors, CALL)
#undef CALL
}

/* ---------------------------------------------------------------------------------------------- forward */

typedef struct {
    const REAL *features;     /* voxels_in x depth */
    const REAL *packed;       /* offsets x panels x depth x vectors: see pack */
    REAL *result;             /* voxels_out x columns */
    const int32_t *inputs;    /* of the pairs, tile by tile, in a tile offset by offset */
    const int32_t *rows;      /* of the pairs: the output row, counted from the start of its tile */
    const int64_t *starts;    /* tiles x offsets + 1: where the pairs of a tile and an offset begin */
    int64_t depth, columns, voxels_out, offsets, tile_rows;
    int reversed;             /* offset k multiplies the matrix of offset offsets - 1 - k */
} convolution;

static void convolve_tiles(void *context, atomic_int_fast64_t *next, int64_t tiles) {
    const convolution *c = context;
    const int64_t vectors = vectors_of(c->columns), width = vectors * LANES, panels = panels_of(c->columns);
    REAL *const tile = malloc((size_t)(c->tile_rows * width) * sizeof(REAL));
    const REAL **const left = malloc((size_t)c->tile_rows * sizeof *left);
    REAL **const sums = malloc((size_t)c->tile_rows * sizeof *sums);
    for (int64_t t; (t = lima_take(next)) < tiles;) {
        const int64_t first = t * c->tile_rows;
        const int64_t rows = c->voxels_out - first < c->tile_rows ? c->voxels_out - first : c->tile_rows;
        memset(tile, 0, (size_t)(rows * width) * sizeof(REAL));
        for (int64_t k = 0; k < c->offsets; k++) {
            const int64_t start = c->starts[t * c->offsets + k], pairs = c->starts[t * c->offsets + k + 1] - start;
            if (pairs == 0) continue;
            for (int64_t p = 0; p < pairs; p++) {
                left[p] = c->features + (int64_t)c->inputs[start + p] * c->depth;
                sums[p] = tile + (int64_t)c->rows[start + p] * width;
            }
            const REAL *matrix = c->packed + (c->reversed ? c->offsets - 1 - k : k) * c->depth * width;
            for (int64_t panel = 0; panel < panels; panel++) {
                const int64_t from = first_vector(c->columns, panel), to = first_vector(c->columns, panel + 1);
                const int64_t blocks = (pairs + rows_at_once(to - from) - 1) / rows_at_once(to - from);
                for (int64_t b = 0; b < blocks; b++) {
                    const int64_t begin = pairs * b / blocks, end = pairs * (b + 1) / blocks;
                    multiply_rows_of(end - begin, to - from, left + begin, sums + begin, from * LANES,
                                     matrix + from * LANES * c->depth, c->depth);
                }
            }
        }
        for (int64_t r = 0; r < rows; r++)
            memcpy(c->result + (first + r) * c->columns, tile + r * width, (size_t)c->columns * sizeof(REAL));
    }
    free(sums);
    free(left);
    free(tile);
}

typedef struct {
    const REAL *weight; /* offsets x depth x columns, or offsets x columns x depth where transposed */
    REAL *packed;
    int64_t depth, columns;
    int transposed;
} packing;

/* One matrix: panel by panel, in a panel row by row, columns beyond the last one zero. */
static void pack_matrices(void *context, atomic_int_fast64_t *next, int64_t offsets) {
    const packing *p = context;
    const int64_t width = vectors_of(p->columns) * LANES;
    for (int64_t k; (k = lima_take(next)) < offsets;) {
        const REAL *from_matrix = p->weight + k * p->depth * p->columns;
        REAL *to_matrix = p->packed + k * p->depth * width;
        for (int64_t panel = 0; panel < panels_of(p->columns); panel++) {
            const int64_t from = first_vector(p->columns, panel) * LANES;
            const int64_t to = first_vector(p->columns, panel + 1) * LANES, last = to < p->columns ? to : p->columns;
            REAL *out = to_matrix + from * p->depth;
            if (p->transposed) {
                for (int64_t block = 0; block < p->depth; block += 16) {
                    const int64_t end = block + 16 < p->depth ? block + 16 : p->depth;
                    for (int64_t column = from; column < last; column++)
                        for (int64_t row = block; row < end; row++)
                            out[row * (to - from) + column - from] = from_matrix[column * p->depth + row];
                }
            } else {
                for (int64_t row = 0; row < p->depth; row++)
                    memcpy(out + row * (to - from), from_matrix + row * p->columns + from,
                           (size_t)(last - from) * sizeof(REAL));
            }
            if (last < to)
                for (int64_t row = 0; row < p->depth; row++)
                    memset(out + row * (to - from) + last - from, 0, (size_t)(to - last) * sizeof(REAL));
        }
    }
}

/* result[o] = Σ over pairs (i, o) under offset k of features[i] @ weight[k], or @ weight[offsets - 1 - k]^T.
 *
 * transposed: weight holds the transposed matrices. The tiles are those of lima_tiles. Returns 0, or 1 where memory ran
 * out.
 */
int NAME(lima_convolve)(const REAL *features, const REAL *weight, REAL *result, const int32_t *inputs,
                        const int32_t *rows, const int64_t *starts, int64_t depth, int64_t columns, int64_t voxels_out,
                        int64_t offsets, int64_t tile_rows, int transposed, int reversed, int threads) {
    const int64_t width = vectors_of(columns) * LANES;
    REAL *packed = NULL;
    if (posix_memalign((void **)&packed, 64, (size_t)(offsets * depth * width + LANES) * sizeof(REAL))) return 1;
    packing p = {weight, packed, depth, columns, transposed};
    lima_run(pack_matrices, &p, offsets, threads);
    convolution c = {features, packed,  result,     inputs,  rows,      starts,
                     depth,    columns, voxels_out, offsets, tile_rows, reversed};
    lima_run(convolve_tiles, &c, (voxels_out + tile_rows - 1) / tile_rows, threads);
    free(packed);
    return 0;
}

/* ---------------------------------------------------------------------------------------------- gradient at weights */

typedef struct {
    const REAL *features, *gradient; /* voxels_in x depth, voxels_out x columns */
    REAL *result;                    /* offsets x depth x columns */
    const int64_t *inputs, *outputs; /* of the pairs, offset by offset */
    const int64_t *starts;           /* offsets + 1 */
    const int64_t *order;            /* the offsets, those with most pairs first */
    int64_t depth, columns, depth_at_once, slices;
    int64_t centre, voxels;          /* under this offset every voxel meets itself; -1: there is none */
} weight_gradient;

static void gather_rows(const REAL *from, int64_t from_width, int64_t first_column, int64_t columns,
                        const int64_t *rows, int64_t first_row, int64_t count, REAL *to, int64_t to_width) {
    for (int64_t p = 0; p < count; p++) {
        if (rows && p + ROWS_AHEAD < count) prefetch(from + rows[p + ROWS_AHEAD] * from_width + first_column, columns);
        memcpy(to + p * to_width, from + (rows ? rows[p] : first_row + p) * from_width + first_column,
               (size_t)columns * sizeof(REAL));
    }
}

static void sum_outer_products(void *context, atomic_int_fast64_t *next, int64_t tasks) {
    const weight_gradient *g = context;
    const int64_t width = vectors_of(g->columns) * LANES, panels = panels_of(g->columns);
    REAL *const left = malloc((size_t)(PAIRS_AT_ONCE * g->depth_at_once) * sizeof(REAL));
    REAL *const right = calloc((size_t)(PAIRS_AT_ONCE * width), sizeof(REAL));
    REAL *const sums = malloc((size_t)(g->depth_at_once * width) * sizeof(REAL));
    for (int64_t t; (t = lima_take(next)) < tasks;) {
        const int64_t k = g->order[t / g->slices], first = t % g->slices * g->depth_at_once;
        const int64_t depth = g->depth - first < g->depth_at_once ? g->depth - first : g->depth_at_once;
        const int64_t pairs = k == g->centre ? g->voxels : g->starts[k + 1] - g->starts[k];
        const int64_t *inputs = k == g->centre ? NULL : g->inputs + g->starts[k];
        const int64_t *outputs = k == g->centre ? NULL : g->outputs + g->starts[k];
        memset(sums, 0, (size_t)(depth * width) * sizeof(REAL));
        for (int64_t start = 0; start < pairs; start += PAIRS_AT_ONCE) {
            const int64_t count = pairs - start < PAIRS_AT_ONCE ? pairs - start : PAIRS_AT_ONCE;
            gather_rows(g->features, g->depth, first, depth, inputs ? inputs + start : NULL, start, count, left, depth);
            gather_rows(g->gradient, g->columns, 0, g->columns, outputs ? outputs + start : NULL, start, count, right,
                        width);
            for (int64_t panel = 0; panel < panels; panel++) {
                const int64_t from = first_vector(g->columns, panel), to = first_vector(g->columns, panel + 1);
                const int64_t blocks = (depth + rows_at_once(to - from) - 1) / rows_at_once(to - from);
                for (int64_t b = 0; b < blocks; b++) {
                    const int64_t begin = depth * b / blocks, end = depth * (b + 1) / blocks;
                    multiply_columns_of(end - begin, to - from, left + begin, depth, right + from * LANES, width,
                                        sums + begin * width + from * LANES, count);
                }
            }
        }
        for (int64_t r = 0; r < depth; r++)
            memcpy(g->result + (k * g->depth + first + r) * g->columns, sums + r * width,
                   (size_t)g->columns * sizeof(REAL));
    }
    free(sums);
    free(right);
    free(left);
}

/* result[k] = Σ over pairs (i, o) under offset k of the outer product of features[i] and gradient[o]. */
void NAME(lima_weight_gradient)(const REAL *features, const REAL *gradient, REAL *result, const int64_t *inputs,
                                const int64_t *outputs, const int64_t *starts, const int64_t *order, int64_t depth,
                                int64_t columns, int64_t offsets, int64_t centre, int64_t voxels, int threads) {
    /* Enough tasks for all threads; as few as that, because every slice gathers the gradient's rows again. */
    int64_t slices = (4 * threads + offsets - 1) / offsets;
    int64_t depth_at_once = (depth + slices - 1) / slices;
    if (depth_at_once < 16) depth_at_once = depth < 16 ? depth : 16;
    if (depth_at_once > 256) depth_at_once = 256;
    slices = (depth + depth_at_once - 1) / depth_at_once;
    weight_gradient g = {features, gradient, result,        inputs, outputs, starts, order,
                         depth,    columns,  depth_at_once, slices, centre,  voxels};
    lima_run(sum_outer_products, &g, offsets * slices, threads);
}
