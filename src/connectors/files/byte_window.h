// A moving window over the bytes of a file, so that records can be looked at as one piece.
//
// Threads: one at a time.
// Bounds:  grows to the longest record, at most kRecordBytesMax and one read more.
// Errors:  a file that is shorter or other than it was when it was listed is LDB-5002.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "io/file.h"

namespace laminar::connectors {

class ByteWindow {
 public:
  static constexpr size_t kRecordBytesMax = size_t{64} << 20;

  // Reads the file as it was when `expected` was taken, no bytes more. Compressed files are refused.
  Status open(const std::string& path, const io::FileInfo& expected);
  void close();

  const char* begin() const { return bytes_.get() + begin_; }
  const char* end() const { return bytes_.get() + end_; }
  size_t size() const { return end_ - begin_; }
  // Whether the file ends where the window ends.
  bool at_end() const { return left_ == 0; }
  // Whether the window can grow; a record that needs more is too long.
  bool can_grow() const { return size() < kRecordBytesMax; }
  // Reads on; begin() may move, size() grows.
  Status grow();
  void consume(size_t n) { begin_ += n; }

 private:
  io::InputFile file_;
  std::string path_;
  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;
  uint64_t left_ = 0;  // of the file, not read yet
};

}  // namespace laminar::connectors
