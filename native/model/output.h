/* output.h - the records of exactfile.h, collected and handed to the host in large pieces.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_OUTPUT_H
#define TPM_OUTPUT_H

#include "exactfile.h"
#include "sim.h"

#define TPM_OUTPUT_BYTES (64u * 1024u)

struct tpm_output {
    const struct tpm_host *host;
    unsigned char *buffer;
    size_t used;
    bool failed; /* the host could not write: nothing is written after that, so the file is good up to its
                    last slice */
};

/* False: no memory. */
bool tpm_output_new(struct tpm_output *output, const struct tpm_host *host);
void tpm_output_free(struct tpm_output *output);

void tpm_output_bytes(struct tpm_output *output, const void *bytes, size_t count);

/* A record whose payload is `fixed` and, behind it, `more`. */
void tpm_output_record(struct tpm_output *output, enum tpx_type type, const void *fixed, size_t fixed_bytes,
                       const void *more, size_t more_bytes);

/* Hands over what is collected. */
void tpm_output_flush(struct tpm_output *output);

/* The head of the file, and the config as text. */
void tpm_output_head(struct tpm_output *output, uint32_t pid, const struct tpm_config *config);

#endif
