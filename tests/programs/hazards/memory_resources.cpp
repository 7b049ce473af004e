// Hazard: polymorphic memory resources: pools, monotonic buffers, and an arena in one placed block.
// Flags: -std=c++17
#include "hazard.h"

#include <memory_resource>
#include <string>
#include <unordered_map>
#include <vector>

template <typename Resource> static size_t work(Resource &&resource) {
    std::pmr::unordered_map<int, std::pmr::vector<unsigned char>> table(&resource);
    size_t good = 0;
    for (int i = 0; i < 100; i++) {
        auto &bytes = table[i];
        bytes.resize(static_cast<size_t>(i) * 300 + 1);
        fill(bytes.data(), bytes.size(), static_cast<unsigned>(i));
    }
    for (int i = 0; i < 100; i += 3)
        table.erase(i);
    for (auto &[key, bytes] : table)
        good += intact(bytes.data(), bytes.size(), static_cast<unsigned>(key)) == bytes.size();
    return good;
}

int main() {
    say("pool %zu\n", work(std::pmr::unsynchronized_pool_resource()));
    say("shared pool %zu\n", work(std::pmr::synchronized_pool_resource()));
    say("monotonic %zu\n", work(std::pmr::monotonic_buffer_resource(100)));
    std::vector<unsigned char> block(5 * MIB);
    say("arena %zu\n", work(std::pmr::monotonic_buffer_resource(block.data(), block.size(),
                                                                std::pmr::null_memory_resource())));
    return 0;
}
