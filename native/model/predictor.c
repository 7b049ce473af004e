/* predictor.c - see predictor.h.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "predictor.h"

enum { TPMI_WEAKLY_NOT_TAKEN = 1 };

static size_t tpmi_target_bytes(void) {
    return sizeof(uint64_t) << TPM_TARGET_BITS;
}

bool tpm_predictor_new(struct tpm_predictor *predictor, const struct tpm_config *config,
                       const struct tpm_host *host) {
    predictor->bits = (uint32_t)config->predictor_bits;
    predictor->counters = host->get((size_t)1 << predictor->bits);
    predictor->targets = host->get(tpmi_target_bytes());
    if (predictor->counters == NULL || predictor->targets == NULL) {
        tpm_predictor_free(predictor, host);
        return false;
    }
    __builtin_memset(predictor->counters, TPMI_WEAKLY_NOT_TAKEN, (size_t)1 << predictor->bits);
    return true;
}

void tpm_predictor_free(struct tpm_predictor *predictor, const struct tpm_host *host) {
    if (predictor->counters != NULL) host->put(predictor->counters, (size_t)1 << predictor->bits);
    if (predictor->targets != NULL) host->put(predictor->targets, tpmi_target_bytes());
    predictor->counters = NULL;
    predictor->targets = NULL;
}
