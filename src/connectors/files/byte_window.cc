#include "connectors/files/byte_window.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/check.h"

namespace laminar::connectors {

namespace {
constexpr size_t kReadBytes = size_t{256} << 10;

Status changed(const std::string& path) {
  return Status(ErrorCode::kFileUnreadable, "file has changed since it was listed: " + path +
                                                "; write new files instead, or create the source again");
}
}  // namespace

Status ByteWindow::open(const std::string& path, const io::FileInfo& expected) {
  close();
  path_ = path;
  ASSIGN_OR_RETURN(file_, io::InputFile::open(path));
  if (!file_.info().same_as(expected)) return changed(path);
  left_ = expected.bytes;
  if (left_ == 0) return Status();
  RETURN_IF_ERROR(grow());
  const std::string_view head(begin(), std::min<size_t>(size(), 4));
  if (head.substr(0, 2) == "\x1f\x8b" || head == "\x28\xb5\x2f\xfd") {
    return Status(ErrorCode::kFileUnreadable, "compressed files cannot be read: " + path + "; decompress it first");
  }
  if (head.substr(0, 3) == "\xef\xbb\xbf") consume(3);  // byte order mark
  return Status();
}

void ByteWindow::close() {
  file_ = io::InputFile();
  begin_ = end_ = 0;
  left_ = 0;
}

Status ByteWindow::grow() {
  CHECK(left_ > 0);
  const size_t want = static_cast<size_t>(std::min<uint64_t>(left_, std::max(kReadBytes, size())));
  if (capacity_ - end_ < want && begin_ > 0) {
    std::memmove(bytes_.get(), bytes_.get() + begin_, size());
    end_ -= begin_;
    begin_ = 0;
  }
  if (capacity_ - end_ < want) {
    const size_t capacity = end_ + want;
    std::unique_ptr<char[]> bytes(new char[capacity]);
    if (end_ > 0) std::memcpy(bytes.get(), bytes_.get(), end_);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }
  ASSIGN_OR_RETURN(const size_t got, file_.read(bytes_.get() + end_, want));
  end_ += got;
  left_ -= got;
  return got == want ? Status() : changed(path_);
}

}  // namespace laminar::connectors
