/* A service that looks records up: an index that every look-up reads eight times, at random, and a table of
 * records that it reads once. Ends after COUNT look-ups, or when it is told to terminate.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INDEX_WORDS = 3 << 20, RECORDS = 1 << 18, PROBES = 8 };

struct record {
    uint64_t key, text[31];
};

static volatile sig_atomic_t stopped;

static void stop(int signal) {
    stopped = signal;
}

static __attribute__((noinline)) uint64_t *make_index(void) {
    uint64_t *index = malloc(INDEX_WORDS * sizeof *index);
    for (uint64_t i = 0; i < INDEX_WORDS; i++)
        index[i] = i * 2654435761u % INDEX_WORDS;
    return index;
}

static __attribute__((noinline)) struct record *make_records(void) {
    struct record *records = malloc(RECORDS * sizeof *records);
    for (uint64_t i = 0; i < RECORDS; i++)
        records[i] = (struct record){i, {i}};
    return records;
}

static __attribute__((noinline)) uint64_t find(const uint64_t *index, uint64_t key) {
    for (int probe = 0; probe < PROBES; probe++)
        key = index[key % INDEX_WORDS] + key;
    return key % RECORDS;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    uint64_t count = strtoull(argv[1], NULL, 10), done = 0, wrong = 0;
    signal(SIGTERM, stop);
    const uint64_t *index = make_index();
    struct record *records = make_records();
    for (; done < count && !stopped; done++) {
        struct record *record = &records[find(index, done)];
        wrong += record->key != record->text[0]++ - record->text[1]++;
    }
    printf("%llu look-ups, %llu wrong\n", (unsigned long long)done, (unsigned long long)wrong);
    return wrong != 0;
}
