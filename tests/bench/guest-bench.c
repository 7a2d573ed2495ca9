/*
 * Measures, inside a guest, what its kernel's clock, remote TLB flush and
 * timer wake-up cost.  Every test prints one line: its name, then a number
 * in nanoseconds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000ll

static volatile char *page;
static volatile int running, stop;

static int64_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS + ts.tv_nsec;
}

/* Samples of one test: their median is not moved by what the host did else. */
#define MAX_SAMPLES 200000
static int64_t sample[MAX_SAMPLES];
static int samples;

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t median(void)
{
    qsort(sample, samples, sizeof(sample[0]), by_size);
    return sample[samples / 2];
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

/* One clock_gettime(CLOCK_MONOTONIC), averaged over about a second. */
static void bench_clock(void)
{
    int64_t start = now(), t;
    int64_t n = 0;

    do {
        for (int i = 0; i < 1000; i++) {
            t = now();
        }
        n += 1000;
    } while (t - start < NS);
    printf("clock_gettime %" PRId64 "\n", (t - start) / n);
}

static void *toucher(void *arg)
{
    pin(1);
    while (!stop) {
        running = 1 + page[0];
    }
    return NULL;
}

/* What it takes to take write permission from the page, the median. */
static int64_t time_protect(void)
{
    int64_t start = now(), t0;

    samples = 0;
    do {
        /* give it back, and have it written to, so that it is in the TLB */
        mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
        page[1]++;
        t0 = now();
        mprotect((void *)page, 4096, PROT_READ);
        sample[samples++] = now() - t0;
    } while (t0 - start < NS && samples < MAX_SAMPLES);
    return median();
}

/*
 * Taking write permission from a page that a thread on another CPU uses: the
 * kernel has to wait for that CPU to forget its translation.  The same without
 * such a thread tells what the rest of the call takes.
 */
static void bench_tlb(void)
{
    int64_t alone, shared;
    pthread_t other;
    char *map;

    /* Pages without any permission beside it keep its mapping from merging */
    map = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page = map + 4096;
    mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
    page[0] = 0;
    pin(0);
    alone = time_protect();
    running = stop = 0;
    pthread_create(&other, NULL, toucher, NULL);
    while (!running) {
        sched_yield();
    }
    shared = time_protect();
    stop = 1;
    pthread_join(other, NULL);
    munmap(map, 3 * 4096);
    printf("mprotect %" PRId64 "\n", alone);
    printf("tlb_shootdown %" PRId64 "\n", shared - alone);
}

/* How much later than asked a sleep of 1 ms ends, on average. */
static void bench_sleep(void)
{
    const int64_t want = 1000000;
    struct timespec ms = { .tv_nsec = want };
    int64_t over = 0;
    int n;

    /* Linux adds 50 us of its own unless told not to */
    prctl(PR_SET_TIMERSLACK, 1);
    for (n = 0; n < 1000; n++) {
        int64_t t0 = now();

        nanosleep(&ms, NULL);
        over += now() - t0 - want;
    }
    printf("sleep_overrun %" PRId64 "\n", over / n);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "clock")) {
            bench_clock();
        } else if (!strcmp(argv[i], "tlb")) {
            bench_tlb();
        } else if (!strcmp(argv[i], "sleep")) {
            bench_sleep();
        } else {
            fprintf(stderr, "usage: bench clock|tlb|sleep...\n");
            return 2;
        }
    }
    return 0;
}
