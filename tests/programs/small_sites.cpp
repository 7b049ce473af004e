// A std::map of 50000 nodes of 48 bytes, and a vector for each of 20000 vertices that holds 24 bytes: two sites of small objects. An
// argument makes it keep them until a line comes on standard input.
#include <cstdint>
#include <cstdio>
#include <map>
#include <vector>

static __attribute__((noinline)) void fill(std::map<uint64_t, uint64_t> &map) {
    for (uint64_t i = 0; i < 50000; i++)
        map.emplace(i * 2654435761u % 1000003, i);
}

static __attribute__((noinline)) void connect(std::vector<std::vector<uint64_t>> &vertices) {
    for (uint64_t i = 0; i < vertices.size(); i++)
        vertices[i].assign(3, i);
}

int main(int argc, char **) {
    std::map<uint64_t, uint64_t> map;
    std::vector<std::vector<uint64_t>> vertices(20000);
    fill(map);
    connect(vertices);
    if (argc > 1) std::getchar();
    uint64_t sum = 0;
    for (auto &node : map)
        sum += node.second;
    for (auto &vertex : vertices)
        sum += vertex[0] + vertex[2];
    std::printf("%zu %lu\n", map.size(), (unsigned long)sum);
}
