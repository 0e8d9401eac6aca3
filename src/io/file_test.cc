#include "io/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace laminar::io {
namespace {

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "laminar_io_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    set_fault_injector(nullptr);
    std::filesystem::remove_all(folder_);
  }
  std::string path(const std::string& name) const { return join_path(folder_, name); }
  void write(const std::string& name, std::string_view bytes) const {
    auto file = OutputFile::create(path(name));
    ASSERT_TRUE(file.ok()) << file.status().text();
    size_t done = 0;
    ASSERT_TRUE(file->write(bytes, done).ok());
    EXPECT_EQ(done, bytes.size());
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(file->close().ok());
  }
  std::string folder_;
};

TEST_F(Files, WriteReadRename) {
  write("a.tmp", "hello");
  EXPECT_EQ(OutputFile::create(path("a.tmp")).error().code, ErrorCode::kFileWrite);  // it exists
  ASSERT_TRUE(rename_new(path("a.tmp"), path("a")).ok());
  ASSERT_TRUE(sync_folder(folder_).ok());
  auto file = InputFile::open(path("a"));
  ASSERT_TRUE(file.ok());
  char bytes[16];
  EXPECT_EQ(*file->read(bytes, sizeof bytes), 5u);
  EXPECT_EQ(std::string_view(bytes, 5), "hello");
  EXPECT_EQ(*file->read(bytes, sizeof bytes), 0u);
  EXPECT_TRUE(file->info().same_as(*file_info(path("a"))));

  write("b.tmp", "other");
  bool exists = false;
  EXPECT_EQ(rename_new(path("b.tmp"), path("a"), &exists).error().code, ErrorCode::kFileWrite);
  EXPECT_TRUE(exists);
  EXPECT_EQ(file_info(path("a"))->bytes, 5u);
  ASSERT_TRUE(remove_file(path("b.tmp")).ok());
  ASSERT_TRUE(remove_file(path("b.tmp")).ok());  // twice is fine
}

TEST_F(Files, ListsAndPatternsInByteOrder) {
  for (const char* name : {"b.csv", "a.csv", "B.csv", ".hidden", "a10.csv", "a9.csv"}) write(name, "");
  EXPECT_EQ(*list_folder(folder_), (std::vector<std::string>{".hidden", "B.csv", "a.csv", "a10.csv", "a9.csv", "b.csv"}));
  EXPECT_EQ(*glob(path("a*.csv")), (std::vector<std::string>{path("a.csv"), path("a10.csv"), path("a9.csv")}));
  EXPECT_TRUE(glob(path("z*"))->empty());
  EXPECT_TRUE(has_glob("x[ab]") && has_glob("*") && has_glob("a?") && !has_glob("/a/b.csv"));
}

TEST_F(Files, MissingAndUnreadable) {
  EXPECT_EQ(InputFile::open(path("none")).error().code, ErrorCode::kFileNotFound);
  EXPECT_EQ(list_folder(path("none")).error().code, ErrorCode::kFileNotFound);
  EXPECT_EQ(InputFile::open(folder_).error().code, ErrorCode::kFileUnreadable);
  EXPECT_EQ(file_info(path("none"))->kind, FileInfo::Kind::kNone);
  write("file", "x");
  EXPECT_EQ(file_info(path("file/below"))->kind, FileInfo::Kind::kNone);
  EXPECT_EQ(make_folders(path("file")).error().code, ErrorCode::kFileWrite);
  ASSERT_TRUE(make_folders(path("x/y/z")).ok());
  ASSERT_TRUE(make_folders(path("x/y/z/")).ok());
  EXPECT_EQ(file_info(path("x/y/z"))->kind, FileInfo::Kind::kFolder);
  EXPECT_EQ(OutputFile::create(path("none/file")).error().code, ErrorCode::kFileWrite);
}

TEST_F(Files, Names) {
  EXPECT_EQ(folder_of("/a/b.csv"), "/a");
  EXPECT_EQ(folder_of("b.csv"), ".");
  EXPECT_EQ(folder_of("/b"), "/");
  EXPECT_EQ(name_of("/a/b.csv"), "b.csv");
  EXPECT_EQ(join_path("/a/", "b"), "/a/b");
}

TEST_F(Files, FaultsComeWhereTheyAreAskedFor) {
  struct FailAt final : FaultInjector {
    FilePoint point = FilePoint::kOpen;
    Status before(FilePoint p, const std::string& path) override {
      return p == point ? Status(ErrorCode::kFileWrite, "injected: " + path) : Status();
    }
  } fault;
  write("a", "x");
  set_fault_injector(&fault);
  EXPECT_FALSE(InputFile::open(path("a")).ok());
  fault.point = FilePoint::kWrite;
  auto file = OutputFile::create(path("b"));
  ASSERT_TRUE(file.ok());
  size_t done = 7;
  EXPECT_FALSE(file->write("abc", done).ok());
  EXPECT_EQ(done, 0u);
  fault.point = FilePoint::kRename;
  EXPECT_FALSE(rename_new(path("b"), path("c")).ok());
  set_fault_injector(nullptr);
  EXPECT_TRUE(file->write("abc", done).ok());
  EXPECT_TRUE(rename_new(path("b"), path("c")).ok());
}

}  // namespace
}  // namespace laminar::io
