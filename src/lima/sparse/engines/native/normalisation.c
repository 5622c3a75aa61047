/* Batch norm, the sum with a shortcut, and ReLU in as few passes over memory as they take.
 *
 * Compiled once per instruction set and type; REAL and NAME as in convolution.c. Rows are taken in chunks of
 * ROWS_AT_ONCE, which stay in the cache. Sums over all rows are the sums of the chunks in their order, in double precision: the same bits whatever
 * the number of threads.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "parallel.h"

typedef struct {
    const REAL *x, *residual, *y, *gradient; /* rows x columns each; residual may be NULL */
    REAL *result, *residual_gradient;        /* the latter may be NULL */
    const REAL *mean, *scale, *shift, *slope; /* per column */
    double *first, *second;                  /* chunks x columns */
    int64_t rows, columns;
    REAL least; /* of the result: 0 for ReLU, else minus infinity */
} normalisation;

static inline int64_t chunks_of(int64_t rows) { return (rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE; }

static inline int64_t rows_of(const normalisation *n, int64_t chunk) {
    const int64_t left = n->rows - chunk * ROWS_AT_ONCE;
    return left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
}

/* first: mean of the chunk; second: sum of squares around it. */
static void chunk_moments(void *context, atomic_int_fast64_t *next, int64_t chunks) {
    const normalisation *n = context;
    const int64_t columns = n->columns;
    REAL *const restrict mean = malloc((size_t)columns * sizeof(REAL));
    REAL *const restrict squares = malloc((size_t)columns * sizeof(REAL));
    for (int64_t chunk; (chunk = lima_take(next)) < chunks;) {
        const int64_t rows = rows_of(n, chunk);
        const REAL *const x = n->x + chunk * ROWS_AT_ONCE * columns;
        for (int64_t c = 0; c < columns; c++) mean[c] = squares[c] = 0;
        for (int64_t r = 1; r < rows; r++) /* around the first row: a mean far from zero costs no digits */
            for (int64_t c = 0; c < columns; c++) mean[c] += x[r * columns + c] - x[c];
        for (int64_t c = 0; c < columns; c++) mean[c] = x[c] + mean[c] / (REAL)rows;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++) {
                const REAL d = x[r * columns + c] - mean[c];
                squares[c] += d * d;
            }
        for (int64_t c = 0; c < columns; c++) {
            n->first[chunk * columns + c] = mean[c];
            n->second[chunk * columns + c] = squares[c];
        }
    }
    free(squares);
    free(mean);
}

/* Mean and biased variance of every column. scratch: 2 x chunks x columns. */
void NAME(lima_moments)(const REAL *x, int64_t rows, int64_t columns, double *scratch, double *mean, double *variance,
                        int threads) {
    const int64_t chunks = chunks_of(rows);
    normalisation n = {.x = x, .first = scratch, .second = scratch + chunks * columns, .rows = rows, .columns = columns};
    lima_run(chunk_moments, &n, chunks, threads);
    for (int64_t c = 0; c < columns; c++) mean[c] = variance[c] = 0;
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        const double before = (double)(chunk * ROWS_AT_ONCE), own = (double)rows_of(&n, chunk);
        for (int64_t c = 0; c < columns; c++) {
            const double step = n.first[chunk * columns + c] - mean[c];
            mean[c] += step * own / (before + own);
            variance[c] += n.second[chunk * columns + c] + step * step * before * own / (before + own);
        }
    }
    for (int64_t c = 0; c < columns; c++) variance[c] /= (double)rows;
}

static void chunk_forward(void *context, atomic_int_fast64_t *next, int64_t chunks) {
    const normalisation *n = context;
    const int64_t columns = n->columns;
    const REAL *const restrict mean = n->mean, *const restrict scale = n->scale, *const restrict shift = n->shift;
    const REAL least = n->least;
    for (int64_t chunk; (chunk = lima_take(next)) < chunks;) {
        const int64_t begin = chunk * ROWS_AT_ONCE, end = begin + rows_of(n, chunk);
        for (int64_t r = begin; r < end; r++) {
            const REAL *const restrict x = n->x + r * columns;
            REAL *const restrict y = n->result + r * columns;
            if (n->residual) {
                const REAL *const restrict residual = n->residual + r * columns;
                for (int64_t c = 0; c < columns; c++) {
                    const REAL sum = (x[c] - mean[c]) * scale[c] + shift[c] + residual[c];
                    y[c] = sum < least ? least : sum; /* NaN stays */
                }
            } else {
                for (int64_t c = 0; c < columns; c++) {
                    const REAL sum = (x[c] - mean[c]) * scale[c] + shift[c];
                    y[c] = sum < least ? least : sum;
                }
            }
        }
    }
}

/* result = (x - mean) * scale + shift + residual, with relu at least 0. */
void NAME(lima_affine_relu)(const REAL *x, const REAL *mean, const REAL *scale, const REAL *shift,
                            const REAL *residual, REAL *result, int64_t rows, int64_t columns, int relu, int threads) {
    normalisation n = {.x = x,
                       .residual = residual,
                       .result = result,
                       .mean = mean,
                       .scale = scale,
                       .shift = shift,
                       .rows = rows,
                       .columns = columns,
                       .least = relu ? 0 : -INFINITY};
    lima_run(chunk_forward, &n, chunks_of(rows), threads);
}

/* first: sum of the gradients that ReLU lets through; second: of their products with x - mean. */
static void chunk_gradient_sums(void *context, atomic_int_fast64_t *next, int64_t chunks) {
    const normalisation *n = context;
    const int64_t columns = n->columns;
    const REAL *const restrict mean = n->mean;
    REAL *const restrict sums = malloc((size_t)columns * sizeof(REAL));
    REAL *const restrict products = malloc((size_t)columns * sizeof(REAL));
    for (int64_t chunk; (chunk = lima_take(next)) < chunks;) {
        const int64_t begin = chunk * ROWS_AT_ONCE, end = begin + rows_of(n, chunk);
        for (int64_t c = 0; c < columns; c++) sums[c] = products[c] = 0;
        for (int64_t r = begin; r < end; r++) {
            const REAL *const restrict x = n->x + r * columns, *const restrict y = n->y + r * columns;
            const REAL *const restrict gradient = n->gradient + r * columns;
            for (int64_t c = 0; c < columns; c++) {
                const REAL g = gradient[c], through = y[c] > 0 ? g : 0;
                sums[c] += through;
                products[c] += through * (x[c] - mean[c]);
            }
        }
        for (int64_t c = 0; c < columns; c++) {
            n->first[chunk * columns + c] = sums[c];
            n->second[chunk * columns + c] = products[c];
        }
    }
    free(products);
    free(sums);
}

/* Per column: the sum of the gradients where y > 0, and of their products with x - mean. scratch as in lima_moments. */
void NAME(lima_gradient_sums)(const REAL *x, const REAL *y, const REAL *gradient, const REAL *mean, int64_t rows,
                              int64_t columns, double *scratch, double *sums, double *products, int threads) {
    const int64_t chunks = chunks_of(rows);
    normalisation n = {.x = x,
                       .y = y,
                       .gradient = gradient,
                       .mean = mean,
                       .first = scratch,
                       .second = scratch + chunks * columns,
                       .rows = rows,
                       .columns = columns};
    lima_run(chunk_gradient_sums, &n, chunks, threads);
    for (int64_t c = 0; c < columns; c++) sums[c] = products[c] = 0;
    for (int64_t i = 0; i < chunks; i++)
        for (int64_t c = 0; c < columns; c++) {
            sums[c] += n.first[i * columns + c];
            products[c] += n.second[i * columns + c];
        }
}

static void chunk_backward(void *context, atomic_int_fast64_t *next, int64_t chunks) {
    const normalisation *n = context;
    const int64_t columns = n->columns;
    const REAL *const restrict mean = n->mean, *const restrict scale = n->scale;
    const REAL *const restrict shift = n->shift, *const restrict slope = n->slope;
    for (int64_t chunk; (chunk = lima_take(next)) < chunks;) {
        const int64_t begin = chunk * ROWS_AT_ONCE, end = begin + rows_of(n, chunk);
        for (int64_t r = begin; r < end; r++) {
            const REAL *const restrict x = n->x + r * columns, *const restrict y = n->y + r * columns;
            const REAL *const restrict gradient = n->gradient + r * columns;
            REAL *const restrict result = n->result + r * columns;
            for (int64_t c = 0; c < columns; c++) {
                const REAL g = gradient[c], through = y[c] > 0 ? g : 0;
                result[c] = through * scale[c] + (x[c] - mean[c]) * slope[c] + shift[c];
            }
            if (n->residual_gradient) {
                REAL *const restrict residual = n->residual_gradient + r * columns;
                for (int64_t c = 0; c < columns; c++) {
                    const REAL g = gradient[c];
                    residual[c] = y[c] > 0 ? g : 0;
                }
            }
        }
    }
}

/* result = [y > 0] gradient * scale + (x - mean) * slope + shift; residual_gradient = [y > 0] gradient, unless NULL. */
void NAME(lima_affine_relu_gradient)(const REAL *x, const REAL *y, const REAL *gradient, const REAL *mean,
                                     const REAL *scale, const REAL *slope, const REAL *shift, REAL *result,
                                     REAL *residual_gradient, int64_t rows, int64_t columns, int threads) {
    normalisation n = {.x = x,
                       .y = y,
                       .gradient = gradient,
                       .result = result,
                       .residual_gradient = residual_gradient,
                       .mean = mean,
                       .scale = scale,
                       .slope = slope,
                       .shift = shift,
                       .rows = rows,
                       .columns = columns};
    lima_run(chunk_backward, &n, chunks_of(rows), threads);
}
