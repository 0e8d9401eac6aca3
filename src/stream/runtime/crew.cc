#include "stream/runtime/crew.h"

#include <pthread.h>
#include <sched.h>

#include <cstring>

#include "base/check.h"
#include "base/clock.h"

namespace laminar::stream {

namespace {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

// A wait that lets others run when it becomes long: the thread waited for may need this very CPU.
class Patience {
 public:
  void wait() {
    if (++turns_ < kTurnsBeforeYield) relax();
    else std::this_thread::yield();
  }

 private:
  static constexpr uint32_t kTurnsBeforeYield = 2000;  // 20-80 us
  uint32_t turns_ = 0;
};

constexpr uint32_t kTurnsBeforeTaking = 100;  // 1-4 us: what a worker that looks for work needs to begin
constexpr uint32_t kTurnsPerClock = 256;

}  // namespace

Crew::Crew() = default;
Crew::~Crew() { resize(1); }

void Crew::resize(uint32_t threads) {
  CHECK(threads >= 1 && threads <= kCoresMax);
  if (threads == this->threads()) return;
  // All stop and start again: changing the number is rare.
  stopping_.store(true);
  {
    std::lock_guard lock(mutex_);
    ++wake_ups_;
    wake_.notify_all();
  }
  for (auto& worker : workers_) worker->thread.join();
  workers_.clear();
  stopping_.store(false);
  {
    std::lock_guard lock(mutex_);
    pin_failure_.clear();
  }
  for (uint32_t i = 1; i < threads; ++i) workers_.push_back(std::make_unique<Worker>());
  for (uint32_t i = 1; i < threads; ++i) workers_[i - 1]->thread = std::thread([this, i] { work(i); });
}

void Crew::set_pinned(bool pinned) {
  pinned_.store(pinned);
  const uint32_t threads = this->threads();
  resize(1);
  resize(threads);
}

std::string Crew::pin_failure() const {
  std::lock_guard lock(mutex_);
  return pin_failure_;
}

void Crew::pin(Worker& worker, uint32_t index) {
  cpu_set_t allowed, wanted;
  CPU_ZERO(&allowed);
  const auto fail = [this](std::string reason) {
    std::lock_guard lock(mutex_);
    pin_failure_ = std::move(reason);
  };
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return fail(std::string("sched_getaffinity: ") + std::strerror(errno));
  uint32_t seen = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || seen++ != index) continue;
    CPU_ZERO(&wanted);
    CPU_SET(cpu, &wanted);
    const int error = pthread_setaffinity_np(pthread_self(), sizeof wanted, &wanted);
    if (error != 0) return fail("pthread_setaffinity_np to CPU " + std::to_string(cpu) + ": " + std::strerror(error));
    worker.cpu.store(cpu);
    return;
  }
  fail("core " + std::to_string(index) + " has no CPU of its own: this process may use " + std::to_string(seen));
}

void Crew::wake_up() {
  std::lock_guard lock(mutex_);
  ++wake_ups_;
  wake_.notify_all();
}

bool Crew::try_part(uint64_t level, uint32_t core, uint32_t thread, Part part, void* context) {
  Claim& claim = claims_[core];
  uint64_t last = claim.taken.load(std::memory_order_relaxed);
  if (last >= level || !claim.taken.compare_exchange_strong(last, level, std::memory_order_acquire)) return false;
  part(context, core, thread);
  claim.done.store(level, std::memory_order_release);
  return true;
}

void Crew::run_level(uint32_t cores, Part part, void* context) {
  DCHECK(cores <= kCoresMax);
  part_.store(part, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  cores_.store(cores, std::memory_order_relaxed);
  const uint64_t level = level_.load(std::memory_order_relaxed) + 1;
  level_.store(level, std::memory_order_release);
  uint64_t parts = try_part(level, 0, 0, part, context) ? 1 : 0, taken = 0;
  for (uint32_t c = 1; c < cores; ++c) {
    // A worker that looks for work has a moment to begin its own part: its caches hold the state.
    if (c < threads() && parked_.load(std::memory_order_relaxed) == 0) {
      for (uint32_t i = 0; i < kTurnsBeforeTaking && claims_[c].taken.load(std::memory_order_relaxed) < level; ++i) relax();
    }
    if (try_part(level, c, 0, part, context)) ++taken;
  }
  for (uint32_t c = 0; c < cores; ++c) {
    Patience patience;
    while (claims_[c].done.load(std::memory_order_acquire) < level) patience.wait();
  }
  leader_parts_.fetch_add(parts + taken, std::memory_order_relaxed);
  leader_taken_.fetch_add(taken, std::memory_order_relaxed);
}

void Crew::work(uint32_t index) {
  Worker& self = *workers_[index - 1];
  if (pinned_.load()) pin(self, index);
  uint64_t seen = level_.load(std::memory_order_acquire);
  int64_t idle_since_ns = monotonic_ns();
  uint32_t turns = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const uint64_t level = level_.load(std::memory_order_acquire);
    if (level != seen) {
      // What is read here belongs to `level`, or the next one has begun; and then `level` has no part left to begin.
      const uint32_t cores = cores_.load(std::memory_order_acquire);
      const Part part = part_.load(std::memory_order_acquire);
      void* context = context_.load(std::memory_order_acquire);
      if (level_.load(std::memory_order_acquire) != level) continue;
      uint64_t parts = 0, taken = 0;
      if (index < cores) parts += try_part(level, index, index, part, context) ? 1 : 0;
      // Cores beyond the number of threads have no thread of their own.
      for (uint32_t c = threads(); c < cores; ++c) taken += try_part(level, c, index, part, context) ? 1 : 0;
      self.parts.fetch_add(parts + taken, std::memory_order_relaxed);
      self.taken.fetch_add(taken, std::memory_order_relaxed);
      seen = level;
      idle_since_ns = monotonic_ns();
      continue;
    }
    relax();
    if (++turns % kTurnsPerClock != 0) continue;
    const int64_t spin_ns = spin_ns_.load(std::memory_order_relaxed);
    if (spin_ns < 0) {
      if (turns % (kTurnsPerClock * 16) == 0) std::this_thread::yield();
      continue;
    }
    if (monotonic_ns() - idle_since_ns < spin_ns) continue;
    std::unique_lock lock(mutex_);
    const uint64_t before = wake_ups_;
    parked_.fetch_add(1);
    self.parks.fetch_add(1, std::memory_order_relaxed);
    wake_.wait(lock, [&] { return wake_ups_ != before || stopping_.load(); });
    parked_.fetch_sub(1);
    idle_since_ns = monotonic_ns();
  }
}

std::vector<Crew::ThreadCounts> Crew::counts() const {
  std::vector<ThreadCounts> list = {{leader_parts_.load(), leader_taken_.load(), 0, -1}};
  for (const auto& worker : workers_) list.push_back({worker->parts.load(), worker->taken.load(), worker->parks.load(), worker->cpu.load()});
  return list;
}

}  // namespace laminar::stream
