/*
 * The tables of tests/conformance/, as made for C.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TABLES_H
#define TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "tables.h.inc"

#endif
