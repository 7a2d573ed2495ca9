/*
 * The few memory and string functions that a freestanding program needs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

void *memset(void *d, int c, size_t n)
{
    void *p = d;

    asm volatile("rep stosb" : "+D" (p), "+c" (n) : "a" (c) : "memory");
    return d;
}

void *memcpy(void *d, const void *s, size_t n)
{
    void *p = d;

    asm volatile("rep movsb" : "+D" (p), "+S" (s), "+c" (n) :: "memory");
    return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;

    for (; n; n--, x++, y++) {
        if (*x != *y) {
            return *x - *y;
        }
    }
    return 0;
}

size_t strlen(const char *s)
{
    const char *p = s;

    while (*p) {
        p++;
    }
    return p - s;
}

bool str_equal(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && !memcmp(a, b, strlen(a));
}

bool is_filled(const void *p, uint8_t byte, size_t n)
{
    const SHARED uint8_t *x = p;

    for (; n; n--, x++) {
        if (*x != byte) {
            return false;
        }
    }
    return true;
}
