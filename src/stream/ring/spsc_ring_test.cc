#include "stream/ring/spsc_ring.h"

#include <gtest/gtest.h>

#include <thread>
#include <type_traits>

namespace laminar::stream {
namespace {

static_assert(!std::is_copy_constructible_v<SpscRing<int>::Producer>);
static_assert(!std::is_copy_constructible_v<SpscRing<int>::Consumer>);

TEST(SpscRing, RefusesWhenFullAndKeepsOrder) {
  SpscRing<int> ring(4);
  SpscRing<int>::Producer producer(ring);
  SpscRing<int>::Consumer consumer(ring);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(producer.try_push(int{i}));
  EXPECT_FALSE(producer.try_push(4));
  int value = -1;
  EXPECT_TRUE(consumer.try_pop(value));
  EXPECT_EQ(value, 0);
  EXPECT_TRUE(producer.try_push(4));
  for (int i = 1; i < 5; ++i) {
    EXPECT_TRUE(consumer.try_pop(value));
    EXPECT_EQ(value, i);
  }
  EXPECT_FALSE(consumer.try_pop(value));
  EXPECT_TRUE(consumer.empty());
}

TEST(SpscRing, TwoThreadsLoseNothing) {
  for (size_t capacity : {1, 2, 16, 1024}) {
    SpscRing<uint64_t> ring(capacity);
    constexpr uint64_t kCount = 200'000;
    std::thread writer([&ring] {
      SpscRing<uint64_t>::Producer producer(ring);
      for (uint64_t i = 1; i <= kCount; ++i) {
        while (!producer.try_push(uint64_t{i})) std::this_thread::yield();
      }
    });
    SpscRing<uint64_t>::Consumer consumer(ring);
    uint64_t expected = 1, value = 0;
    while (expected <= kCount) {
      if (!consumer.try_pop(value)) {
        std::this_thread::yield();
        continue;
      }
      ASSERT_EQ(value, expected++);
    }
    writer.join();
  }
}

}  // namespace
}  // namespace laminar::stream
