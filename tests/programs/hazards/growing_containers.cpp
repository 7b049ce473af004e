// Hazard: containers of all shapes that grow from nothing over every threshold: one array, many nodes,
// chunks.
#include "hazard.h"

#include <deque>
#include <list>
#include <map>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

int main() {
    std::vector<uint64_t> array;
    std::deque<uint64_t> chunks;
    std::list<uint64_t> links;
    std::map<uint64_t, std::string> tree;
    std::unordered_map<uint64_t, uint64_t> table;
    std::string text;
    std::ostringstream stream;
    for (uint64_t i = 0; i < 8000; i++) {
        uint64_t key = i * 2654435761u % 16384;
        array.push_back(key);
        chunks.push_front(key);
        links.push_back(key);
        tree[key] += std::string(key % 60, 'x');
        table[key] += i;
        text += static_cast<char>('a' + key % 26);
        stream << key;
        if (i % 3 == 0) {
            chunks.pop_back();
            links.pop_front();
            tree.erase(tree.begin());
        }
    }
    uint64_t sum = 0;
    for (uint64_t value : array)
        sum = sum * 31 + value;
    for (uint64_t value : chunks)
        sum = sum * 31 + value;
    for (uint64_t value : links)
        sum = sum * 31 + value;
    for (auto &[key, value] : tree)
        sum = sum * 31 + key + value.size();
    for (uint64_t key = 0; key < 16384; key++)
        sum = sum * 31 + (table.count(key) ? table[key] : 0);
    say("%016lx %zu %zu\n", sum, text.size(), stream.str().size());
    return 0;
}
