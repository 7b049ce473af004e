/* buffers.c - the capacity tier's own buffers.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "buffers.h"

#include "exactfile.h"
#include "sim.h"

static bool tpmi_buffer_new(struct tpm_sets *sets, uint64_t entries, const struct tpm_host *host) {
    uint32_t ways = entries < TPM_BUFFER_WAYS ? (uint32_t)entries : TPM_BUFFER_WAYS;
    return tpm_sets_new(sets, entries, ways, false, host);
}

bool tpm_buffers_new(struct tpm_buffers *buffers, const struct tpm_config *config,
                     const struct tpm_host *host) {
    bool read = tpmi_buffer_new(&buffers->read_blocks, config->near_blocks, host);
    bool written = tpmi_buffer_new(&buffers->written_blocks, config->near_blocks, host);
    return tpmi_buffer_new(&buffers->pages, config->mid_pages, host) && read && written;
}

void tpm_buffers_free(struct tpm_buffers *buffers, const struct tpm_host *host) {
    tpm_sets_free(&buffers->read_blocks, host);
    tpm_sets_free(&buffers->written_blocks, host);
    tpm_sets_free(&buffers->pages, host);
}

unsigned tpm_buffers_read(struct tpm_buffers *buffers, uint64_t line) {
    uint64_t block = line >> TPM_BLOCK_LINES_BITS;
    /* A block that is being written is answered from there and need not be read into the other buffer. */
    if (buffers->writing && tpmi_number_held(&buffers->written_blocks, block)) return TPX_NEAR;
    if (tpmi_number_use(&buffers->read_blocks, block)) return TPX_NEAR;
    return tpmi_number_use(&buffers->pages, line >> TPM_PAGE_LINES_BITS) ? TPX_MID : TPX_FAR;
}

bool tpm_buffers_write(struct tpm_buffers *buffers, uint64_t line) {
    buffers->writing = true;
    if (tpmi_number_use(&buffers->written_blocks, line >> TPM_BLOCK_LINES_BITS)) return false;
    (void)tpmi_number_use(&buffers->pages, line >> TPM_PAGE_LINES_BITS);
    return true;
}
