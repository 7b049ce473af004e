// Hazard: exceptions with large objects, through frames of the C library, stored, thrown again by another
// thread.
#include "hazard.h"

#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Large {
    unsigned char bytes[200 * 1024];
    std::vector<unsigned char> more;
    explicit Large(unsigned seed) : more(300 * KIB) {
        fill(bytes, sizeof bytes, seed);
        fill(more.data(), more.size(), seed);
    }
    bool good(unsigned seed) const {
        return intact(bytes, sizeof bytes, seed) == sizeof bytes &&
               intact(more.data(), more.size(), seed) == more.size();
    }
};

static int compare(const void *, const void *) {
    throw Large(5);
}

static std::exception_ptr stored;

int main() {
    int good = 0, numbers[2000] = {0};
    for (unsigned i = 0; i < 20; i++)
        try {
            std::string text(i * 1000, 'x');
            throw Large(i);
        } catch (const Large &large) {
            good += large.good(i);
        }
    try {
        qsort(numbers, 2000, sizeof *numbers, compare);
    } catch (const Large &large) {
        good += large.good(5);
    }
    std::thread([] {
        try {
            throw Large(7);
        } catch (...) {
            stored = std::current_exception();
        }
    }).join();
    try {
        std::rethrow_exception(stored);
    } catch (const Large &large) {
        good += large.good(7);
    }
    stored = nullptr;
    try {
        std::throw_with_nested(std::runtime_error(std::string(100000, 'y')));
    } catch (const std::exception &error) {
        good += std::string(error.what()).size() == 100000;
    }
    say("good %d\n", good);
    return 0;
}
