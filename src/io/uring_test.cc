#include "io/uring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "io/system_disk.h"

namespace laminar::io {
namespace {

class UringTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/laminar_uring_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string content(const std::string& path) const {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  std::string folder_;
};

std::string pattern(size_t bytes, unsigned seed) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return text;
}

TEST_F(UringTest, WritesOfAnyLengthAreThere) {
  for (const bool polls : {false, true}) {
    std::string why;
    const std::unique_ptr<Uring> ring = Uring::open(polls, why);
    if (!ring) GTEST_SKIP() << "io_uring is refused here: " << why;
    const std::string path = folder_ + "/file";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    ASSERT_GE(fd, 0);
    std::string wanted;
    for (const size_t bytes : {size_t{1}, size_t{4096}, Uring::kBufferBytes, Uring::kBufferBytes + 5, 3 * Uring::kBufferBytes + 4096}) {
      const std::string text = pattern(bytes, static_cast<unsigned>(bytes));
      ASSERT_EQ(ring->write_durable(fd, wanted.size(), text.data(), text.size()), 0);
      wanted += text;
    }
    EXPECT_EQ(content(path), wanted);
    ring->forget(fd);
    ::close(fd);
    // Another file under the same number.
    const int other = ::open((path + "2").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    EXPECT_EQ(ring->write_durable(other, 0, "other", 5), 0);
    EXPECT_EQ(content(path + "2"), "other");
    EXPECT_EQ(content(path), wanted);
    ::close(other);
  }
}

TEST_F(UringTest, ShortWritesAndBusyDisksAreTriedAgain) {
  std::string why;
  const std::unique_ptr<Uring> ring = Uring::open(false, why);
  if (!ring) GTEST_SKIP() << "io_uring is refused here: " << why;
  const std::string path = folder_ + "/file", text = pattern(2 * Uring::kBufferBytes + 12288, 7);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT, 0644);
  int call = 0, writes = 0;
  ring->set_result_hook([&](bool is_sync, int result) {
    ++call;
    if (is_sync) return call % 3 == 0 ? -EINTR : result;
    ++writes;
    if (writes % 4 == 1) return -EAGAIN;
    return writes % 4 == 2 && result > 5000 ? 5000 : result;
  });
  EXPECT_EQ(ring->write_durable(fd, 0, text.data(), text.size()), 0);
  EXPECT_GT(writes, 3);
  EXPECT_EQ(content(path), text);
  EXPECT_FALSE(ring->refused());
  for (const int error : {ENOSPC, EIO}) {
    ring->set_result_hook([&](bool is_sync, int result) { return is_sync ? result : -error; });
    EXPECT_EQ(ring->write_durable(fd, 0, text.data(), 4096), error);
    ring->set_result_hook([&](bool is_sync, int result) { return is_sync ? -error : result; });
    EXPECT_EQ(ring->write_durable(fd, 0, text.data(), 4096), error);
  }
  EXPECT_FALSE(ring->refused());
  ring->set_result_hook([](bool, int) { return -EAGAIN; });
  EXPECT_EQ(ring->write_durable(fd, 0, text.data(), 4096), EIO);
  ring->set_result_hook([](bool is_sync, int result) { return is_sync ? result : -EOPNOTSUPP; });
  EXPECT_EQ(ring->write_durable(fd, 0, text.data(), 4096), EOPNOTSUPP);
  EXPECT_TRUE(ring->refused());
  ::close(fd);
}

// System calls of this number fail with EPERM from now on.
bool forbid(std::vector<int> numbers) {
  std::vector<sock_filter> program = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const int number : numbers) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// In a process of its own; 0: as expected.
template <class F>
int in_child(F body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

constexpr int kSkipped = 77;

TEST_F(UringTest, AKernelThatRefusesIsSaidAndWrittenAround) {
  const std::string path = folder_ + "/log";
  const auto writes = [&](SystemDisk& disk, const std::string& to) {
    alignas(kBlockBytes) static char block[kBlockBytes];
    std::memset(block, 'x', sizeof block);
    auto file = disk.create(to, 8 * kBlockBytes, FileUse::kLog);
    return file.ok() && (*file)->write_durable(0, block, sizeof block).ok() && (*file)->write_durable(kBlockBytes, block, sizeof block).ok();
  };
  // From the start.
  const int setup = in_child([&] {
    SystemDisk disk(LogBackend::kUring);
    if (!forbid({SYS_io_uring_setup})) return kSkipped;
    if (!writes(disk, path + "1")) return 1;
    return disk.note().find("io_uring is refused here") != std::string::npos ? 0 : 2;
  });
  if (setup == kSkipped) GTEST_SKIP() << "seccomp filters cannot be set here";
  EXPECT_EQ(setup, 0);
  EXPECT_EQ(content(path + "1").substr(0, 2 * kBlockBytes), std::string(2 * kBlockBytes, 'x'));
  // Later, when a file is open already.
  EXPECT_EQ(in_child([&] {
              SystemDisk disk(LogBackend::kUring);
              auto file = disk.create(path + "2", 8 * kBlockBytes, FileUse::kLog);
              if (!file.ok() || !forbid({SYS_io_uring_enter, SYS_io_uring_register})) return 1;
              alignas(kBlockBytes) static char block[kBlockBytes];
              std::memset(block, 'y', sizeof block);
              if (!(*file)->write_durable(0, block, sizeof block).ok()) return 2;
              return disk.note().find("refused") != std::string::npos ? 0 : 3;
            }),
            0);
  EXPECT_EQ(content(path + "2")[100], 'y');
  // A trial leaves it out.
  EXPECT_EQ(in_child([&] {
              SystemDisk disk;
              if (!forbid({SYS_io_uring_setup}) || !disk.use_backend("auto", folder_).ok()) return 1;
              if (disk.backend() != "pwrite" && disk.backend() != "direct") return 2;
              return disk.note().find("io_uring refused") != std::string::npos ? 0 : 3;
            }),
            0);
}

TEST_F(UringTest, ATrialTakesOneOfThem) {
  SystemDisk disk;
  ASSERT_TRUE(disk.use_backend("auto", folder_).ok());
  EXPECT_TRUE(disk.note().starts_with("of pwrite ")) << disk.note();
  EXPECT_FALSE(disk.use_backend("tape", folder_).ok());
  ASSERT_TRUE(disk.use_backend("io_uring", folder_).ok());
  EXPECT_EQ(disk.backend(), "io_uring");
}

}  // namespace
}  // namespace laminar::io
