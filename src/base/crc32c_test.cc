#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace laminar {
namespace {

// RFC 3720, appendix B.4, and the usual check value.
TEST(crc32c, known_values) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(crc32c, goes_on) {
  const std::string text = "the quick brown fox jumps over the lazy dog";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(crc32c(0, text.data(), cut), text.data() + cut, text.size() - cut), crc32c(text));
  }
}

}  // namespace
}  // namespace laminar
