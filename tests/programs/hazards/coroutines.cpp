// Hazard: coroutines: their frames are allocated by the compiler, suspended, moved between threads and
// destroyed half way. Flags: -std=c++20
#include "hazard.h"

#include <coroutine>
#include <thread>
#include <utility>
#include <vector>

struct Task {
    struct promise_type {
        size_t value = 0;
        Task get_return_object() { return Task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        std::suspend_always yield_value(size_t next) {
            value = next;
            return {};
        }
        void return_void() {}
        void unhandled_exception() { abort(); }
    };
    std::coroutine_handle<promise_type> handle;
};

static Task sums(unsigned seed) {
    unsigned char frame[64 * 1024];
    fill(frame, sizeof frame, seed);
    std::vector<unsigned char> bytes;
    for (unsigned i = 1; i < 10; i++) {
        bytes.resize(i * 30000);
        fill(bytes.data(), bytes.size(), seed);
        co_yield intact(frame, sizeof frame, seed) + intact(bytes.data(), bytes.size(), seed);
    }
}

int main() {
    std::vector<Task> tasks;
    size_t total = 0;
    for (unsigned i = 0; i < 40; i++)
        tasks.push_back(sums(i));
    for (int round = 0; round < 4; round++)
        std::thread([&] {
            for (Task &task : tasks) {
                task.handle.resume();
                total += task.handle.promise().value;
            }
        }).join();
    for (Task &task : tasks)
        task.handle.destroy();
    say("total %zu\n", total);
    return 0;
}
