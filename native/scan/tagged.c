#include "tagged.h"

#include <string.h>

struct tpi_tag {
    uint32_t type, bytes;
};

__attribute__((visibility("default"))) uint64_t tp_tagged_scan(const void *buffer, uint64_t bytes,
                                                               uint32_t last_type, uint64_t *at,
                                                               struct tp_tagged_record *records,
                                                               uint64_t capacity) {
    uint64_t n = 0;
    while (n < capacity && *at <= bytes && bytes - *at >= sizeof(struct tpi_tag)) {
        struct tpi_tag tag;
        memcpy(&tag, (const char *)buffer + *at, sizeof tag);
        uint64_t payload = *at + sizeof tag;
        if (tag.type == 0 || tag.type > last_type || tag.bytes > bytes - payload) break;
        records[n++] = (struct tp_tagged_record){.offset = payload, .type = tag.type, .bytes = tag.bytes};
        *at = payload + tag.bytes;
    }
    return n;
}
