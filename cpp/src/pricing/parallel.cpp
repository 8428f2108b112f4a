#include "optionsib/pricing/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __unix__
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif

namespace optionsib::pricing {
namespace {

// Shares of cheap elements end on multiples of this many, so that two threads write no cache line in common.
constexpr std::size_t granule = 64;

#ifdef __unix__
using Process = pid_t;
Process this_process() noexcept {
    return getpid();
}

// Signals belong to the threads of the program, not to ours: blocked while a helper is being created.
class SignalsBlocked {
  public:
    SignalsBlocked() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_;
};
#else
using Process = int;
Process this_process() noexcept {
    return 0;
}
struct SignalsBlocked {};
#endif

// Threads that wait for work. It lives as long as the process; a forked child, which has the object but none
// of its threads, makes its own.
class Pool {
  public:
    using Work = std::function<void(std::size_t, std::size_t)>;

    Pool() : process_(this_process()) {}

    [[nodiscard]] bool of_this_process() const noexcept { return process_ == this_process(); }

    // False when another call has the pool.
    bool run(std::size_t size, std::size_t share, std::size_t threads, const Work& work) {
        if (busy_.exchange(true, std::memory_order_acquire)) return false;
        {
            const std::scoped_lock lock(mutex_);
            grow(threads - 1);
            work_ = &work;
            size_ = size;
            share_ = share;
            next_.store(0, std::memory_order_relaxed);
            seats_ = std::min(threads - 1, helpers_);
        }
        wake_.notify_all();
        drain();
        {
            std::unique_lock lock(mutex_);
            seats_ = 0;
            idle_.wait(lock, [this] { return working_ == 0; });
        }
        busy_.store(false, std::memory_order_release);
        return true;
    }

  private:
    void grow(std::size_t wanted) {
        [[maybe_unused]] const SignalsBlocked blocked;
        for (; helpers_ < wanted; ++helpers_) {
            try {
                std::thread([this] { help(); }).detach();
            } catch (const std::system_error&) {
                return;  // the others, the caller among them, do the work
            }
        }
    }

    void help() {
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [this] { return seats_ > 0; });
            --seats_;
            ++working_;
            lock.unlock();
            drain();
            lock.lock();
            if (--working_ == 0) idle_.notify_one();
        }
    }

    void drain() {
        for (;;) {
            const std::size_t begin = next_.fetch_add(share_, std::memory_order_relaxed);
            if (begin >= size_) return;
            (*work_)(begin, std::min(begin + share_, size_));
        }
    }

    const Process process_;
    std::atomic<bool> busy_ = false;
    std::atomic<std::size_t> next_ = 0;
    std::mutex mutex_;
    std::condition_variable wake_, idle_;
    std::size_t helpers_ = 0, seats_ = 0, working_ = 0;
    const Work* work_ = nullptr;
    std::size_t size_ = 0, share_ = 0;
};

// No lock here: a fork in the middle of one would leave it locked in the child.
Pool& pool() {
    static std::atomic<Pool*> current = nullptr;
    Pool* found = current.load(std::memory_order_acquire);
    while (found == nullptr || !found->of_this_process()) {
        Pool* made = new Pool;
        if (current.compare_exchange_strong(found, made, std::memory_order_acq_rel)) return *made;
        delete made;
    }
    return *found;
}

}  // namespace

unsigned available_cpus() noexcept {
#ifdef __linux__
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
#endif
    return std::max(1u, std::thread::hardware_concurrency());
}

void for_ranges(std::size_t size, unsigned threads, const std::function<void(std::size_t, std::size_t)>& work,
                std::size_t least) {
    const std::size_t useful = size / least;
    const std::size_t wanted = useful < 2 ? 1 : threads == 0 ? available_cpus() : threads;
    const std::size_t count = std::min(wanted, useful);
    if (count > 1) {
        // A few shares a thread: one that is held up leaves its rest to the others.
        const std::size_t even = std::max(size / (4 * count), (least + 1) / 2);
        const std::size_t step = std::min(granule, least);
        const std::size_t share = (even + step - 1) / step * step;
        if (pool().run(size, share, count, work)) return;
    }
    work(0, size);
}

}  // namespace optionsib::pricing
