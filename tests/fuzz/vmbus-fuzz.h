/*
 * VMBus: the entry of the fuzz targets, whose name is libFuzzer's
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMBUS_FUZZ_H
#define VMBUS_FUZZ_H

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
