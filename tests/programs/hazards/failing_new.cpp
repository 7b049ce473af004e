// Hazard: operator new that cannot: bad_alloc, nothrow's null, a handler that frees and lets it try again.
// Sanitized: no, the sanitizers have an operator new of their own, which ends the program instead
#include "hazard.h"

#include <new>
#include <sys/resource.h>

static unsigned char *reserve;
static int handled;

static void give_way() {
    handled++;
    if (reserve == nullptr) throw std::bad_alloc();
    free(reserve);
    reserve = nullptr;
}

int main() {
    volatile size_t most = PTRDIFF_MAX - 100, many = static_cast<size_t>(1) << 44;
    auto *held = new unsigned char[300 * KIB];
    fill(held, 300 * KIB, 1);
    try {
        delete[] new char[most];
    } catch (const std::bad_alloc &error) {
        say("caught %s\n", error.what());
    }
    try {
        delete[] new (std::align_val_t(4096)) char[many];
    } catch (const std::bad_alloc &error) {
        say("caught %s\n", error.what());
    }
    void *volatile none = new (std::nothrow) char[many];
    say("nothrow %d\n", none == nullptr);
    reserve = take(20 * MIB, 2);
    std::set_new_handler(give_way);
    try {
        delete[] new char[many];
    } catch (const std::bad_alloc &) {
        say("handled %d reserve %d\n", handled, reserve == nullptr);
    }
    std::set_new_handler(nullptr);
    say("intact %zu\n", intact(held, 300 * KIB, 1));
    delete[] held;
    return 0;
}
