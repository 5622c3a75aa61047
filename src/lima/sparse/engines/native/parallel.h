/* Tasks 0 … count - 1, each done once by one of several threads, whichever is free.
 *
 * With OpenMP the threads are those of the OpenMP library that torch has brought into the process (the symbols are left
 * open and found there): two pools would fight for the processors. Without it, threads are started for every call.
 */
#ifndef LIMA_PARALLEL_H
#define LIMA_PARALLEL_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct {
    atomic_int_fast64_t next;
    int64_t count;
    void (*work)(void *context, atomic_int_fast64_t *next, int64_t count);
    void *context;
} lima_tasks;

/* The next task that nobody has taken; `count` or more when there is none. */
static inline int64_t lima_take(atomic_int_fast64_t *next) { return atomic_fetch_add(next, 1); }

#ifdef _OPENMP

static inline void lima_parallel(lima_tasks *tasks, int threads) {
#pragma omp parallel num_threads(threads)
    tasks->work(tasks->context, &tasks->next, tasks->count);
}

#else

#include <pthread.h>
#include <stdlib.h>

static void *lima_thread(void *argument) {
    lima_tasks *tasks = argument;
    tasks->work(tasks->context, &tasks->next, tasks->count);
    return NULL;
}

static inline void lima_parallel(lima_tasks *tasks, int threads) {
    pthread_t *others = threads > 1 ? malloc((size_t)(threads - 1) * sizeof *others) : NULL;
    int started = 0;
    while (others && started < threads - 1 && !pthread_create(&others[started], NULL, lima_thread, tasks)) started++;
    lima_thread(tasks);
    for (int i = 0; i < started; i++) pthread_join(others[i], NULL);
    free(others);
}

#endif

/* `work` runs in every thread and takes tasks until none is left. */
static inline void lima_run(void (*work)(void *, atomic_int_fast64_t *, int64_t), void *context, int64_t count,
                            int threads) {
    lima_tasks tasks = {.count = count, .work = work, .context = context};
    atomic_init(&tasks.next, 0);
    lima_parallel(&tasks, count < threads ? (int)count : threads);
}

#endif
