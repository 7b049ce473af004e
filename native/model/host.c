/* host.c - see host.h.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct tpm_recorder {
    struct tpm_host host;
    unsigned char *bytes;
    size_t used, room;
};

static void *tpmi_get(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void tpmi_put(void *memory, size_t bytes) {
    munmap(memory, bytes);
}

static bool tpmi_append(void *context, const void *bytes, size_t count) {
    struct tpm_recorder *recorder = context;
    if (count > recorder->room - recorder->used) {
        size_t room = 2 * (recorder->used + count);
        unsigned char *grown = realloc(recorder->bytes, room);
        if (grown == NULL) return false;
        recorder->bytes = grown;
        recorder->room = room;
    }
    memcpy(recorder->bytes + recorder->used, bytes, count);
    recorder->used += count;
    return true;
}

struct tpm_recorder *tpm_recorder_new(uint32_t pid) {
    struct tpm_recorder *recorder = calloc(1, sizeof *recorder);
    if (recorder == NULL) return NULL;
    recorder->host = (struct tpm_host){
        .get = tpmi_get, .put = tpmi_put, .write = tpmi_append, .context = recorder, .pid = pid};
    return recorder;
}

struct tpm_host *tpm_recorder_host(struct tpm_recorder *recorder) {
    return &recorder->host;
}

const unsigned char *tpm_recorder_bytes(const struct tpm_recorder *recorder, size_t *count) {
    *count = recorder->used;
    return recorder->bytes;
}

void tpm_recorder_free(struct tpm_recorder *recorder) {
    free(recorder->bytes);
    free(recorder);
}

size_t tpm_config_size(void) {
    return sizeof(struct tpm_config);
}
