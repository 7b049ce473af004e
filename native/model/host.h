/* host.h - the world as libc has it, for a simulator that runs inside Python: memory from mmap, output kept
 * in memory.
 *
 * In libtierprof_model.so only. The exact engine has a host of its own.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_HOST_H
#define TPM_HOST_H

#include "sim.h"

/* Where the output goes. */
struct tpm_recorder;

/* NULL: no memory. */
struct tpm_recorder *tpm_recorder_new(uint32_t pid);
struct tpm_host *tpm_recorder_host(struct tpm_recorder *recorder);
const unsigned char *tpm_recorder_bytes(const struct tpm_recorder *recorder, size_t *count);
void tpm_recorder_free(struct tpm_recorder *recorder);

size_t tpm_config_size(void); /* sizeof(struct tpm_config) */

#endif
