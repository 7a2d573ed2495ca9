/*
 * Watches the guest's clock and timers while it keeps the machine busy, so
 * that a test can stop, save, load and migrate the machine under load and
 * then read here whether time stayed in order.
 *
 * On every CPU a thread takes a 10 ms periodic timer and checks, tick by
 * tick, that the clock does not step back (on this CPU or as seen from
 * another one) and that the number of ticks is exactly the time passed: none
 * lost, none doubled, none early.  Other threads make the load: memory
 * protections that change under a running thread (remote TLB flushes) and a
 * token that circles between CPUs (inter-processor interrupts).
 *
 * Prints twice a second   TICK <clock in ns> <ticks of CPU 0> <of CPU 1>...
 * and for every fault     TICK-BAD <what>
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS      1000000000ll
#define PERIOD  10000000ll
#define MAX_CPU 255

static int ncpu;
static volatile int64_t ticks[MAX_CPU];
static volatile char *page;
static int ring[MAX_CPU][2];

static pthread_mutex_t clock_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t clock_last;

static void bad(const char *fmt, ...)
{
    char line[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    printf("TICK-BAD %s\n", line);
}

static void die(const char *what)
{
    bad("%s: %m", what);
    exit(1);
}

static int64_t read_clock(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS + ts.tv_nsec;
}

/* The clock, after a check that no CPU has seen a later one. */
static int64_t now(void)
{
    int64_t t;

    pthread_mutex_lock(&clock_lock);
    t = read_clock();
    if (t < clock_last) {
        bad("clock went back from %" PRId64 " to %" PRId64, clock_last, t);
    }
    clock_last = t;
    pthread_mutex_unlock(&clock_lock);
    return t;
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set)) {
        die("sched_setaffinity");
    }
}

static void *ticker(void *arg)
{
    int cpu = (intptr_t)arg;
    int64_t start, before, after;
    struct itimerspec its = { .it_interval.tv_nsec = PERIOD };
    uint64_t n;
    int fd;

    pin(cpu);
    fd = timerfd_create(CLOCK_MONOTONIC, 0);
    start = now();
    its.it_value.tv_sec = (start + PERIOD) / NS;
    its.it_value.tv_nsec = (start + PERIOD) % NS;
    if (fd < 0 || timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL)) {
        die("timerfd");
    }
    for (;;) {
        before = now();
        if (read(fd, &n, sizeof(n)) != sizeof(n)) {
            die("read of timerfd");
        }
        after = now();
        ticks[cpu] += n;
        /* the kernel counted at some moment between the two readings */
        if (ticks[cpu] < (before - start) / PERIOD) {
            bad("cpu %d: %" PRId64 " ticks, fewer than the time passed",
                cpu, ticks[cpu]);
            ticks[cpu] = (after - start) / PERIOD;
        }
        if (ticks[cpu] > (after - start) / PERIOD) {
            bad("cpu %d: %" PRId64 " ticks, more than the time passed",
                cpu, ticks[cpu]);
            ticks[cpu] = (after - start) / PERIOD;
        }
    }
    return NULL;
}

/* Takes the page's write permission away and gives it back, on and on. */
static void *protector(void *arg)
{
    for (;;) {
        page[0]++;
        if (mprotect((void *)page, 4096, PROT_READ) ||
            mprotect((void *)page, 4096, PROT_READ | PROT_WRITE)) {
            die("mprotect");
        }
    }
    return NULL;
}

/* Passes the token on to the next CPU, with a look at the page. */
static void *passer(void *arg)
{
    int cpu = (intptr_t)arg;
    char c;

    pin(cpu);
    for (;;) {
        if (read(ring[cpu][0], &c, 1) != 1) {
            die("read of the token");
        }
        c = page[0];
        if (write(ring[(cpu + 1) % ncpu][1], &c, 1) != 1) {
            die("write of the token");
        }
    }
    return NULL;
}

static void spawn(void *(*fn)(void *), int cpu)
{
    pthread_t t;

    if (pthread_create(&t, NULL, fn, (void *)(intptr_t)cpu)) {
        die("pthread_create");
    }
}

int main(void)
{
    struct timespec half = { .tv_nsec = NS / 2 };
    char line[32 + MAX_CPU * 21];
    int cpu, len;

    setvbuf(stdout, NULL, _IOLBF, 0);
    ncpu = sysconf(_SC_NPROCESSORS_ONLN);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ncpu > MAX_CPU || page == MAP_FAILED) {
        die("start");
    }
    for (cpu = 0; cpu < ncpu; cpu++) {
        if (pipe(ring[cpu])) {
            die("pipe");
        }
    }
    for (cpu = 0; cpu < ncpu; cpu++) {
        spawn(ticker, cpu);
        spawn(passer, cpu);
    }
    spawn(protector, 0);
    if (write(ring[0][1], "t", 1) != 1) {
        die("write of the token");
    }
    for (;;) {
        nanosleep(&half, NULL);
        len = snprintf(line, sizeof(line), "TICK %" PRId64, now());
        for (cpu = 0; cpu < ncpu; cpu++) {
            len += snprintf(line + len, sizeof(line) - len, " %" PRId64,
                            ticks[cpu]);
        }
        /* one write, so that no other line comes into it */
        puts(line);
    }
}
