// Hazard: std::thread, std::async, promises and shared pointers: what one thread allocates others resize and
// free.
#include "hazard.h"

#include <future>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

using Bytes = std::vector<unsigned char>;

static Bytes make(unsigned seed) {
    Bytes bytes((seed + 1) * 10 * KIB);
    fill(bytes.data(), bytes.size(), seed);
    return bytes;
}

int main() {
    std::vector<std::future<Bytes>> made;
    size_t good = 0;
    for (unsigned i = 0; i < 32; i++)
        made.push_back(std::async(i % 2 ? std::launch::async : std::launch::deferred, make, i));
    for (unsigned i = 0; i < 32; i++) {
        Bytes bytes = made[i].get();
        good += intact(bytes.data(), bytes.size(), i) == bytes.size();
        bytes.resize(bytes.size() * 2);
        bytes.shrink_to_fit();
    }
    auto shared = std::make_shared<Bytes>(make(3));
    std::vector<std::thread> threads;
    std::vector<size_t> sums(4);
    for (size_t i = 0; i < 4; i++)
        threads.emplace_back([shared, i, &sums] { sums[i] = intact(shared->data(), shared->size(), 3); });
    shared.reset();
    for (std::thread &thread : threads)
        thread.join();
    std::promise<std::unique_ptr<Bytes>> promise;
    std::thread sender([&promise] { promise.set_value(std::make_unique<Bytes>(make(9))); });
    auto received = promise.get_future().get();
    sender.join();
    say("good %zu sums %zu received %zu\n", good, std::accumulate(sums.begin(), sums.end(), size_t{0}),
        intact(received->data(), received->size(), 9));
    return 0;
}
