/* Kernel maps: finding the pairs, and their order tile by tile. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parallel.h"

/* 2: AVX-512; 1: AVX2 and FMA; 0: neither, or another processor than x86. */
int lima_instruction_set(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw"))
        return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

/* 1 where the threads are OpenMP's. */
int lima_uses_openmp(void) {
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

typedef struct {
    const int64_t *keys, *wanted, *steps;
    int64_t cells, rows;
    int64_t *counts;                /* of every step */
    const int64_t *starts;          /* NULL: only count */
    int64_t *inputs, *outputs;
} search;

/* Both lists ascend, so one walk along them finds all pairs of a step. */
static void search_steps(void *context, atomic_int_fast64_t *next, int64_t steps) {
    const search *s = context;
    for (int64_t k; (k = lima_take(next)) < steps;) {
        int64_t cell = 0, found = 0;
        int64_t *inputs = s->starts ? s->inputs + s->starts[k] : NULL;
        int64_t *outputs = s->starts ? s->outputs + s->starts[k] : NULL;
        for (int64_t row = 0; row < s->rows; row++) {
            const int64_t key = s->wanted[row] + s->steps[k];
            while (cell < s->cells && s->keys[cell] < key) cell++;
            if (cell == s->cells) break;
            if (s->keys[cell] != key) continue;
            if (s->starts) {
                inputs[found] = cell;
                outputs[found] = row;
            }
            found++;
        }
        s->counts[k] = found;
    }
}

/* counts[k]: how many rows have keys[cell] == wanted[row] + steps[k]. With starts: the pairs of step k from there on. */
void lima_find_pairs(const int64_t *keys, int64_t cells, const int64_t *wanted, int64_t rows, const int64_t *steps,
                     int64_t step_count, int64_t *counts, const int64_t *starts, int64_t *inputs, int64_t *outputs,
                     int threads) {
    search s = {keys, wanted, steps, cells, rows, counts, starts, inputs, outputs};
    lima_run(search_steps, &s, step_count, threads);
}

/* The pairs tile by tile, in a tile offset by offset, in an offset as they come.
 *
 * pair_starts: offsets + 1, where an offset's pairs begin in pair_inputs and pair_outputs. centre: the offset under
 * which every voxel meets itself, which those lists leave out; -1 where there is none. starts: tiles x offsets + 1.
 * inputs, rows: of all pairs, rows counted from the start of their tile.
 */
void lima_tiles(const int64_t *pair_inputs, const int64_t *pair_outputs, const int64_t *pair_starts, int64_t offsets,
                int64_t centre, int64_t voxels_out, int64_t tile_rows, int64_t *starts, int32_t *inputs,
                int32_t *rows) {
    const int64_t tiles = (voxels_out + tile_rows - 1) / tile_rows;
    memset(starts, 0, (size_t)(tiles * offsets + 1) * sizeof *starts);
    for (int64_t k = 0; k < offsets; k++) {
        if (k == centre)
            for (int64_t row = 0; row < voxels_out; row++) starts[row / tile_rows * offsets + k + 1]++;
        else
            for (int64_t p = pair_starts[k]; p < pair_starts[k + 1]; p++)
                starts[pair_outputs[p] / tile_rows * offsets + k + 1]++;
    }
    for (int64_t i = 0; i < tiles * offsets; i++) starts[i + 1] += starts[i];
    /* starts[i] moves to where the pairs of i end, and back one place afterwards */
    for (int64_t k = 0; k < offsets; k++) {
        const int64_t count = k == centre ? voxels_out : pair_starts[k + 1] - pair_starts[k];
        for (int64_t p = 0; p < count; p++) {
            const int64_t row = k == centre ? p : pair_outputs[pair_starts[k] + p];
            const int64_t tile = row / tile_rows, at = starts[tile * offsets + k]++;
            inputs[at] = (int32_t)(k == centre ? p : pair_inputs[pair_starts[k] + p]);
            rows[at] = (int32_t)(row - tile * tile_rows);
        }
    }
    memmove(starts + 1, starts, (size_t)(tiles * offsets) * sizeof *starts);
    starts[0] = 0;
}
