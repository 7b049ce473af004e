// Hazard: the program replaces operator new and delete, with a header before each block.
#include "hazard.h"

#include <new>
#include <string>
#include <vector>

static size_t made, gone, bytes;

void *operator new(size_t size) {
    auto *block = static_cast<size_t *>(malloc(size + 16));
    if (block == nullptr) throw std::bad_alloc();
    *block = size;
    made++;
    bytes += size;
    return block + 2;
}
void operator delete(void *memory) noexcept {
    if (memory == nullptr) return;
    auto *block = static_cast<size_t *>(memory) - 2;
    bytes -= *block;
    gone++;
    free(block);
}
void operator delete(void *memory, size_t) noexcept {
    operator delete(memory);
}

int main() {
    {
        std::vector<std::string> texts;
        for (int i = 0; i < 200; i++)
            texts.emplace_back(static_cast<size_t>(i) * 500, 'x');
        std::vector<std::string> copy = texts;
        copy.resize(20);
        copy.shrink_to_fit();
        say("made %zu bytes %zu\n", made, bytes);
    }
    say("gone %zu left %zu\n", made - gone, bytes);
    return 0;
}
