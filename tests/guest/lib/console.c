/*
 * The serial console, printf on it, and the end of the program.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define COM1        0x3F8
#define EXIT_PORT   0xF4        /* isa-debug-exit */

static SHARED int lock;

/*
 * Taken with interrupts off, so that a handler that reports something does
 * not meet its own CPU holding the lock.
 */
static bool lock_irqs;

void console_lock(void)
{
    bool irqs = irq_save();

    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) {
        cpu_relax();
    }
    lock_irqs = irqs;
}

void console_unlock(void)
{
    bool irqs = lock_irqs;

    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    irq_restore(irqs);
}

static void put_char(char c)
{
    /* Bounded: a machine without the port must not stop us */
    for (int i = 0; i < 1000000 && !(inb(COM1 + 5) & 0x20); i++) {
        cpu_relax();
    }
    outb(COM1, c);
}

static void put_field(const char *s, size_t n, int width, bool zero, bool left)
{
    int pad = width - (int)n;

    for (; !left && pad > 0; pad--) {
        put_char(zero ? '0' : ' ');
    }
    while (n--) {
        put_char(*s++);
    }
    for (; pad > 0; pad--) {
        put_char(' ');
    }
}

void vprintf(const char *fmt, va_list ap)
{
    for (; *fmt; fmt++) {
        bool zero = false, left = false, wide = false, neg = false;
        char buf[24], *p = buf + sizeof(buf);
        unsigned base = 10;
        uint64_t v;
        int width = 0;

        if (*fmt != '%') {
            put_char(*fmt);
            continue;
        }
        for (fmt++; *fmt == '0' || *fmt == '-'; fmt++) {
            zero |= *fmt == '0';
            left |= *fmt == '-';
        }
        for (; *fmt >= '0' && *fmt <= '9'; fmt++) {
            width = width * 10 + *fmt - '0';
        }
        for (; *fmt == 'l' || *fmt == 'z'; fmt++) {
            wide = true;
        }
        switch (*fmt) {
        case 's': {
            const char *s = va_arg(ap, const char *);

            put_field(s, strlen(s), width, false, left);
            continue;
        }
        case 'c':
            put_char(va_arg(ap, int));
            continue;
        case 'd':
            v = wide ? va_arg(ap, int64_t) : va_arg(ap, int);
            neg = (int64_t)v < 0;
            v = neg ? -v : v;
            break;
        case 'p':
            v = (uintptr_t)va_arg(ap, void *);
            base = 16;
            break;
        case 'x':
            base = 16;
            /* fall through */
        case 'u':
            v = wide ? va_arg(ap, uint64_t) : va_arg(ap, unsigned);
            break;
        default:
            put_char(*fmt);
            continue;
        }
        do {
            *--p = "0123456789abcdef"[v % base];
            v /= base;
        } while (v);
        if (neg) {
            *--p = '-';
        }
        put_field(p, buf + sizeof(buf) - p, width, zero, left);
    }
}

void printf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    console_lock();
    vprintf(fmt, ap);
    console_unlock();
    va_end(ap);
}

bool console_read(char *c)
{
    if (!(inb(COM1 + 5) & 0x01)) {
        return false;
    }
    *c = inb(COM1);
    return true;
}

void guest_exit(int code)
{
    outb(EXIT_PORT, code);
    for (;;) {
        asm volatile("cli; hlt");
    }
}

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    printf("Bail out! ");
    console_lock();
    vprintf(fmt, ap);
    console_unlock();
    printf("\n");
    va_end(ap);
    guest_exit(3);
}
