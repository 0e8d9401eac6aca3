// The crew runs each part of a level once, whatever the threads do, and orders levels.
#include "stream/runtime/crew.h"

#include <gtest/gtest.h>

#include <sched.h>

#include <numeric>

#include "base/clock.h"

namespace laminar::stream {
namespace {

// Each part adds what the parts of the level before have left in all other cells: a torn or reordered level changes the sum.
struct Mix {
  std::vector<uint64_t> before, now;

  static void part(void* context, uint32_t core, uint32_t) {
    Mix& mix = *static_cast<Mix*>(context);
    mix.now[core] = std::accumulate(mix.before.begin(), mix.before.end(), uint64_t{core + 1}) * 31;
  }
};

std::vector<uint64_t> mixed(Crew* crew, uint32_t cores, uint32_t levels) {
  Mix mix;
  mix.before.assign(cores, 1);
  mix.now.assign(cores, 0);
  for (uint32_t level = 0; level < levels; ++level) {
    if (crew) crew->run_level(cores, Mix::part, &mix);
    else for (uint32_t c = 0; c < cores; ++c) Mix::part(&mix, c, 0);
    mix.before.swap(mix.now);
  }
  return mix.before;
}

TEST(Crew, LevelsAreOrderedOnAnyNumberOfThreads) {
  for (const uint32_t threads : {2u, 4u, 8u}) {
    for (const uint32_t cores : {1u, 2u, 5u, 16u}) {
      Crew crew;
      crew.set_spin_ns(-1);
      crew.resize(threads);
      EXPECT_EQ(mixed(&crew, cores, 2000), mixed(nullptr, cores, 2000)) << threads << " threads, " << cores << " cores";
    }
  }
}

TEST(Crew, ResizingAndChangingCoresBetweenLevels) {
  Crew crew;
  crew.set_spin_ns(-1);
  for (uint32_t round = 0; round < 40; ++round) {
    crew.resize(1 + round % 5);
    const uint32_t cores = 1 + round * 7 % 9;
    EXPECT_EQ(mixed(&crew, cores, 50), mixed(nullptr, cores, 50));
  }
}

TEST(Crew, AParkedCrewIsNotWaitedFor) {
  Crew crew;
  crew.set_spin_ns(0);
  crew.resize(3);
  const auto parks = [&crew] {
    uint64_t sum = 0;
    for (const Crew::ThreadCounts& thread : crew.counts()) sum += thread.parks;
    return sum;
  };
  while (parks() < 2) sched_yield();  // workers without work park
  EXPECT_EQ(mixed(&crew, 3, 100), mixed(nullptr, 3, 100));
  crew.wake_up();
  EXPECT_EQ(mixed(&crew, 3, 100), mixed(nullptr, 3, 100));
}

TEST(Crew, AParkedCrewTakesNoProcessorTime) {
  Crew crew;
  crew.resize(4);
  while (crew.ready()) sched_yield();
  uint64_t parked = 0;
  while (parked < 3) {
    parked = 0;
    for (const Crew::ThreadCounts& thread : crew.counts()) parked += thread.parks > 0;
    sched_yield();
  }
  const int64_t process = process_cpu_ns(), own = thread_cpu_ns(), begin = monotonic_ns();
  while (monotonic_ns() - begin < 50'000'000) {
  }
  const int64_t others = process_cpu_ns() - process - (thread_cpu_ns() - own);
  EXPECT_LT(others, 500'000) << "1 % of 50 ms";
}

TEST(Crew, PinsToTheProcessorsItMayUseOrSaysWhy) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  const int available = CPU_COUNT(&allowed);
  Crew crew;
  crew.resize(static_cast<uint32_t>(available) + 1);
  crew.set_pinned(true);
  // Every worker has tried when it has run a part; the last one has no processor left.
  while (crew.pin_failure().empty()) sched_yield();
  EXPECT_NE(crew.pin_failure().find("has no CPU of its own"), std::string::npos) << crew.pin_failure();
  EXPECT_EQ(mixed(&crew, 4, 100), mixed(nullptr, 4, 100));
  for (const Crew::ThreadCounts& thread : crew.counts()) {
    if (thread.cpu >= 0) EXPECT_TRUE(CPU_ISSET(static_cast<int>(thread.cpu), &allowed));
  }
}

}  // namespace
}  // namespace laminar::stream
