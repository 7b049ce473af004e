// Hazard: statics whose destructors free, resize and allocate after main, and thread locals that go with
// threads.
#include "hazard.h"

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

struct Tells {
    std::vector<unsigned char> bytes;
    std::string name;
    Tells(const char *its_name, size_t size) : bytes(size), name(its_name) { fill(bytes.data(), size, 1); }
    ~Tells() {
        size_t size = bytes.size();
        size_t good = intact(bytes.data(), size, 1);
        bytes.resize(size * 20);
        std::vector<std::string> more(500, std::string(200, 'x'));
        say("%s %d %zu\n", name.c_str(), good == size, more.size());
    }
};

static Tells early("early", 300 * KIB);
static std::map<int, std::unique_ptr<Tells>> held;
static thread_local Tells local("local", 50 * KIB);

static Tells &first_use() {
    static Tells late("late", 3 * MIB);
    return late;
}

int main() {
    held[1] = std::make_unique<Tells>("held", 70 * KIB);
    first_use().bytes[0] = first_use().bytes[0];
    std::thread([] { local.bytes.shrink_to_fit(); }).join();
    say("main %zu\n", local.bytes.size());
    return 0;
}
