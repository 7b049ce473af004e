// resident_map.cpp - a std::map of so many random keys, of which every third is erased again: one small block of
// memory a key.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>

int main(int count, char **words) {
    std::map<uint64_t, uint64_t> map;
    uint64_t key = 88172645463325252u, sum = 0;
    long keys = count > 1 ? std::atol(words[1]) : 1000000;
    for (long i = 0; i < keys; i++) {
        key ^= key << 13, key ^= key >> 7, key ^= key << 17; // xorshift64 (Marsaglia)
        map[key] = (uint64_t)i;
    }
    for (auto at = map.begin(); at != map.end();)
        at = at->second % 3 == 0 ? map.erase(at) : std::next(at);
    for (const auto &pair : map)
        sum += pair.first ^ pair.second;
    std::printf("%zu %llu\n", map.size(), (unsigned long long)sum);
    char line[256];
    std::FILE *status = std::fopen("/proc/self/status", "r");
    while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr)
        std::fputs(line, stdout);
    return 0;
}
