// Hazard: operator new and delete in all their forms: aligned, sized, arrays, placement, classes with their
// own.
#include "hazard.h"

#include <new>
#include <vector>

struct alignas(64) Line {
    unsigned char bytes[64];
};
struct alignas(8192) Wide {
    unsigned char bytes[65536];
};
struct Own {
    unsigned char bytes[100000];
    static void *operator new(size_t size) { return malloc(size); }
    static void operator delete(void *memory) { free(memory); }
};

int main() {
    size_t good = 0, aligned = 0;
    for (unsigned i = 0; i < 20; i++) {
        auto *lines = new Line[i * 50 + 1];
        auto *wide = new Wide;
        auto *own = new Own;
        auto *raw = static_cast<unsigned char *>(::operator new(i * 9000 + 1, std::align_val_t(4096)));
        aligned += reinterpret_cast<uintptr_t>(lines) % 64 == 0 &&
                   reinterpret_cast<uintptr_t>(wide) % 8192 == 0 &&
                   reinterpret_cast<uintptr_t>(raw) % 4096 == 0;
        fill(lines, sizeof *lines * (i * 50 + 1), i);
        fill(wide, sizeof *wide, i);
        fill(own, sizeof *own, i);
        fill(raw, i * 9000 + 1, i);
        good += intact(lines, sizeof *lines * (i * 50 + 1), i) == sizeof *lines * (i * 50 + 1);
        good += intact(wide, sizeof *wide, i) == sizeof *wide && intact(own, sizeof *own, i) == sizeof *own;
        good += intact(raw, i * 9000 + 1, i) == i * 9000 + 1;
        delete[] lines;
        delete wide;
        delete own;
        ::operator delete(raw, i * 9000 + 1, std::align_val_t(4096));
    }
    std::vector<Line> grown;
    for (unsigned i = 0; i < 5000; i++)
        grown.push_back(Line{{static_cast<unsigned char>(i)}});
    for (unsigned i = 0; i < 5000; i++)
        good += grown[i].bytes[0] == static_cast<unsigned char>(i);
    say("aligned %zu good %zu\n", aligned, good);
    return 0;
}
