#include "threads/thread_pool.hpp"

#include <pthread.h>

#include <algorithm>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "machine/clock.hpp"
#include "machine/topology.hpp"
#include "threads/park.hpp"

namespace lamina {
namespace {

constexpr std::int64_t kSpinNs = 40'000;
constexpr int kSpinsPerClockRead = 32;
constexpr int kSpinsBeforeYield = 4096;
constexpr std::int64_t kChunksPerSlice = 16;  // fine enough to steal, coarse enough to be cheap
constexpr int kMostThreads = 1024;

thread_local int this_thread_index = 0;

// The state word: bit 32 says the loop is open, bits 16-31 count the seats left for workers, bits
// 0-15 count the workers inside. Bits 33 and up number the loops.
constexpr std::uint64_t kActiveMask = 0xffff;
constexpr std::uint64_t kSeat = std::uint64_t{1} << 16;
constexpr std::uint64_t kSeatMask = std::uint64_t{0xffff} << 16;
constexpr std::uint64_t kOpen = std::uint64_t{1} << 32;
constexpr int kLoopShift = 33;

struct alignas(64) Slice {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
};

}  // namespace

// The workers and the loop they are at.
struct Crew {
    explicit Crew(int size);
    ~Crew();

    void run(std::int64_t extent, std::int64_t grain, ThreadPool::Body body, void* context);

 private:
    void serve(int index);
    bool join(int index, int& home);
    void work(int home);
    std::uint32_t wait_for_bell(std::uint32_t heard);
    void ring(int workers);

    alignas(64) std::atomic<std::uint64_t> state_{0};
    alignas(64) std::atomic<std::uint32_t> bell_{0};
    std::atomic<int> parked_{0};
    std::atomic<bool> stopping_{false};
    std::uint64_t loops_ = 0;

    // The loop; written only while nobody can join.
    alignas(64) ThreadPool::Body body_ = nullptr;
    void* context_ = nullptr;
    std::int64_t chunk_ = 1;
    int slice_count_ = 0;
    int size_;
    std::unique_ptr<Slice[]> slices_;
    std::vector<std::thread> workers_;
};

Crew::Crew(int size) : size_(size), slices_(new Slice[static_cast<std::size_t>(size)]) {
    try {
        for (int index = 1; index < size; ++index) {
            workers_.emplace_back([this, index] { serve(index); });
        }
    } catch (const std::system_error&) {
        // The system gives no more threads: the caller does their share.
    }
}

Crew::~Crew() {
    stopping_.store(true, std::memory_order_relaxed);
    ring(size_);
    for (std::thread& worker : workers_) worker.join();
}

void Crew::ring(int workers) {
    bell_.fetch_add(1, std::memory_order_seq_cst);
    const int asleep = parked_.load(std::memory_order_seq_cst);
    if (asleep > 0) unpark(bell_, std::max(std::min(asleep, workers), 1));
}

void Crew::run(std::int64_t extent, std::int64_t grain, ThreadPool::Body body, void* context) {
    const std::int64_t grains = (extent + grain - 1) / grain;
    slice_count_ = static_cast<int>(std::min<std::int64_t>(grains, size_));
    const std::int64_t per_chunk = std::max<std::int64_t>(1, grains / slice_count_ / kChunksPerSlice);
    chunk_ = per_chunk * grain;
    body_ = body;
    context_ = context;
    for (int i = 0; i < slice_count_; ++i) {
        const std::int64_t first = grains * i / slice_count_;
        const std::int64_t last = grains * (i + 1) / slice_count_;
        slices_[i].next.store(first * grain, std::memory_order_relaxed);
        slices_[i].end = std::min(last * grain, extent);
    }

    const auto seats = static_cast<std::uint64_t>(slice_count_ - 1);
    state_.store((++loops_ << kLoopShift) | kOpen | seats * kSeat, std::memory_order_seq_cst);
    ring(slice_count_ - 1);
    work(0);

    // Every chunk is taken. Whoever is still inside finishes one; whoever comes late finds it shut.
    state_.fetch_and(~kOpen, std::memory_order_acq_rel);
    int spins = 0;
    while ((state_.load(std::memory_order_acquire) & kActiveMask) != 0) {
        if (++spins < kSpinsBeforeYield) {
            relax();
        } else {
            std::this_thread::yield();
        }
    }
}

void Crew::work(int home) {
    for (int i = 0; i < slice_count_; ++i) {
        Slice& slice = slices_[(home + i) % slice_count_];
        const std::int64_t end = slice.end;
        while (slice.next.load(std::memory_order_relaxed) < end) {
            const std::int64_t begin = slice.next.fetch_add(chunk_, std::memory_order_relaxed);
            if (begin >= end) break;
            body_(context_, begin, std::min(begin + chunk_, end));
        }
    }
}

bool Crew::join(int index, int& home) {
    std::uint64_t state = state_.load(std::memory_order_acquire);
    do {
        if ((state & kOpen) == 0 || (state & kSeatMask) == 0) return false;
    } while (!state_.compare_exchange_weak(state, state - kSeat + 1, std::memory_order_acquire,
                                           std::memory_order_acquire));
    const auto seats = static_cast<int>((state & kSeatMask) / kSeat);
    home = slice_count_ == size_ ? index : slice_count_ - seats;
    return true;
}

std::uint32_t Crew::wait_for_bell(std::uint32_t heard) {
    const std::int64_t give_up_ns = now_ns() + kSpinNs;
    do {
        for (int i = 0; i < kSpinsPerClockRead; ++i) {
            const std::uint32_t rung = bell_.load(std::memory_order_acquire);
            if (rung != heard) return rung;
            relax();
        }
    } while (now_ns() < give_up_ns);

    parked_.fetch_add(1, std::memory_order_seq_cst);
    std::uint32_t rung = bell_.load(std::memory_order_seq_cst);
    while (rung == heard) {
        park(bell_, heard);
        rung = bell_.load(std::memory_order_seq_cst);
    }
    parked_.fetch_sub(1, std::memory_order_seq_cst);
    return rung;
}

void Crew::serve(int index) {
    this_thread_index = index;
    std::uint32_t heard = 0;
    for (;;) {
        heard = wait_for_bell(heard);
        if (stopping_.load(std::memory_order_relaxed)) return;
        int home = 0;
        if (!join(index, home)) continue;
        work(home);
        state_.fetch_sub(1, std::memory_order_release);
    }
}

// Never destroyed: workers may outlive every static object.
ThreadPool& ThreadPool::process() {
    static ThreadPool* const pool = [] {
        auto* made = new ThreadPool;
        pthread_atfork(nullptr, nullptr, [] { ThreadPool::process().after_fork_in_child(); });
        return made;
    }();
    return *pool;
}

ThreadPool::ThreadPool() : size_(usable_cpu_count()) {}

// Only the forking thread exists in the child: the old crew is left alone, not destroyed.
void ThreadPool::after_fork_in_child() {
    busy_.store(false, std::memory_order_relaxed);
    crew_ = nullptr;
    this_thread_index = 0;
}

int ThreadPool::thread_index() noexcept { return this_thread_index; }

void ThreadPool::resize(int threads) {
    const int wanted = std::clamp(threads, 1, kMostThreads);
    if (wanted == size()) return;
    stop();
    size_.store(wanted, std::memory_order_relaxed);
}

void ThreadPool::stop() {
    while (busy_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
    delete crew_;
    crew_ = nullptr;
    busy_.store(false, std::memory_order_release);
}

void ThreadPool::parallel_for(std::int64_t extent, std::int64_t grain, Body body, void* context) {
    if (extent <= 0) return;
    grain = std::max<std::int64_t>(grain, 1);
    if (extent <= grain || size() == 1) {
        body(context, 0, extent);
        return;
    }
    if (busy_.exchange(true, std::memory_order_acquire)) {  // another caller, or a nested loop
        body(context, 0, extent);
        return;
    }
    if (crew_ == nullptr) crew_ = new Crew(size());
    crew_->run(extent, grain, body, context);
    busy_.store(false, std::memory_order_release);
}

}  // namespace lamina
