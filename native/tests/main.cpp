#include "check.hpp"
#include "threads/thread_pool.hpp"

int main() {
    int count = 0;
    for (auto* test = lamina::tests::first_test; test != nullptr; test = test->next) {
        std::printf("%s\n", test->name);
        std::fflush(stdout);
        test->run();
        ++count;
    }
    lamina::ThreadPool::process().stop();
    std::printf("%d tests, %d failures\n", count, lamina::tests::failures);
    return lamina::tests::failures == 0 ? 0 : 1;
}
