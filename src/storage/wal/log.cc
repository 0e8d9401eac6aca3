#include "storage/wal/log.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace laminar::storage {

using io::kBlockBytes;

namespace {

constexpr char kMagic[8] = {'L', 'D', 'B', 'L', 'O', 'G', '0', '1'};
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 24;  // of a record
constexpr size_t kReadBytes = 1 << 20;

size_t padded(size_t n) { return (n + 7) / 8 * 8; }
size_t to_block(size_t n) { return (n + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

struct RecordHeader {
  uint32_t length = 0, crc = 0;
  uint64_t sequence = 0, synced = 0;
};
static_assert(sizeof(RecordHeader) == kHeaderBytes);

uint32_t record_crc(uint64_t segment, const RecordHeader& header, const char* payload) {
  uint32_t crc = crc32c(static_cast<uint32_t>(segment), &header.length, sizeof header.length);
  crc = crc32c(crc, &header.sequence, 16);
  return crc32c(crc, payload, header.length);
}

std::string segment_name(uint64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "%010llu.log", static_cast<unsigned long long>(number));
  return name;
}

uint64_t number_of(std::string_view name) {
  if (!name.ends_with(".log")) return 0;
  uint64_t number = 0;
  name.remove_suffix(4);
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() ? number : 0;
}

std::string header_block(uint64_t number, uint64_t first, uint64_t database_id) {
  ByteWriter body;
  body.put(kVersion).put(number).put(first).put(database_id);
  ByteWriter block;
  block.raw(kMagic, sizeof kMagic).put(crc32c(body.view())).raw(body.view().data(), body.size());
  std::string bytes(block.view());
  bytes.resize(kBlockBytes, '\0');
  return bytes;
}

// The first sequence of a segment, 0 when the header is not whole.
uint64_t read_header(std::string_view block, uint64_t number, uint64_t database_id) {
  ByteReader in(block);
  const std::string_view magic = in.raw(sizeof kMagic);
  const uint32_t crc = in.get<uint32_t>();
  const std::string_view body = in.raw(28);
  if (!in.ok() || std::memcmp(magic.data(), kMagic, sizeof kMagic) != 0 || crc32c(body) != crc) return 0;
  ByteReader fields(body);
  if (fields.get<uint32_t>() != kVersion || fields.get<uint64_t>() != number) return 0;
  const uint64_t first = fields.get<uint64_t>();
  return fields.get<uint64_t>() == database_id ? first : 0;
}

// Walks the records of one segment file through a sliding window.
class SegmentReader {
 public:
  SegmentReader(io::DiskFile& file, uint64_t number, uint64_t bytes) : file_(file), number_(number), end_(bytes) {}

  // The record at position(), whole and with this sequence; moves behind it. Null payload at what is none.
  Result<bool> next(uint64_t sequence, std::string_view& payload) {
    RecordHeader header;
    ASSIGN_OR_RETURN(const bool whole, load(position_, header, payload));
    if (!whole || header.sequence != sequence) return false;
    position_ += padded(kHeaderBytes + header.length);
    return true;
  }
  uint64_t position() const { return position_; }

  // Whether a record behind position() was written when `sequence` was durable.
  Result<bool> proves_durable(uint64_t sequence) {
    for (uint64_t at = position_; at + kHeaderBytes <= end_; at += 8) {
      RETURN_IF_ERROR(window(at, kHeaderBytes));
      RecordHeader header;
      std::memcpy(&header, window_.data() + (at - window_begin_), kHeaderBytes);
      if (header.sequence <= sequence || header.synced < sequence || header.synced >= header.sequence) continue;
      std::string_view payload;
      ASSIGN_OR_RETURN(const bool whole, load(at, header, payload));
      if (whole) return true;
    }
    return false;
  }

 private:
  Result<bool> load(uint64_t position, RecordHeader& header, std::string_view& payload) {
    if (position + kHeaderBytes > end_) return false;
    RETURN_IF_ERROR(window(position, kHeaderBytes));
    std::memcpy(&header, window_.data() + (position - window_begin_), kHeaderBytes);
    if (header.sequence == 0 || header.length > end_ - position - kHeaderBytes) return false;
    RETURN_IF_ERROR(window(position, kHeaderBytes + header.length));
    const char* bytes = window_.data() + (position - window_begin_) + kHeaderBytes;
    if (record_crc(number_, header, bytes) != header.crc) return false;
    payload = {bytes, header.length};
    return true;
  }
  Status window(uint64_t from, size_t n) {
    if (from >= window_begin_ && from + n <= window_begin_ + window_.size()) return {};
    window_begin_ = from;
    window_.resize(std::min<uint64_t>(std::max(n, kReadBytes), end_ - from));
    ASSIGN_OR_RETURN(const size_t got, file_.read(from, window_.data(), window_.size()));
    if (got < window_.size()) std::memset(window_.data() + got, 0, window_.size() - got);
    return {};
  }

  io::DiskFile& file_;
  const uint64_t number_, end_;
  uint64_t position_ = kBlockBytes;
  uint64_t window_begin_ = 0;
  std::string window_;
};

}  // namespace

void Log::Aligned::operator()(char* p) const { std::free(p); }

void Log::Buffer::room(size_t n) {
  if (used + n <= capacity) return;
  const size_t larger = to_block(std::max(used + n, capacity * 2));
  std::unique_ptr<char[], Aligned> fresh(static_cast<char*>(std::aligned_alloc(kBlockBytes, larger)));
  CHECK(fresh);
  if (used > 0) std::memcpy(fresh.get(), bytes.get(), used);
  bytes = std::move(fresh);
  capacity = larger;
}

Log::Log(io::Disk& disk, std::string folder, uint64_t database_id, LogOptions options)
    : disk_(disk), folder_(std::move(folder)), database_id_(database_id), options_(options) {}

Log::~Log() = default;

std::string Log::path_of(uint64_t number) const { return io::join_path(folder_, segment_name(number)); }

Result<std::unique_ptr<Log>> Log::open(io::Disk& disk, const std::string& folder, uint64_t database_id, LogOptions options,
                                       bool accept_damage, LogState* state) {
  RETURN_IF_ERROR(disk.make_folders(folder));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, disk.list(folder));
  std::vector<uint64_t> numbers;
  uint64_t highest = 0;
  for (const std::string& name : names) {
    if (const uint64_t number = number_of(name); number > 0) numbers.push_back(number);
    if (name.ends_with(".damaged")) highest = std::max(highest, number_of(std::string_view(name).substr(0, name.size() - 8)));
  }
  std::sort(numbers.begin(), numbers.end());
  if (!numbers.empty()) highest = std::max(highest, numbers.back());

  std::unique_ptr<Log> log(new Log(disk, folder, database_id, options));
  LogState found;
  std::vector<uint64_t> unused;  // segments that hold no record
  std::vector<uint64_t> behind;  // segments at and behind the place where reading ends early
  // Headers first: a segment ends where the next whole one begins.
  std::vector<Segment> segments;
  std::vector<uint64_t> headless;
  for (const uint64_t number : numbers) {
    ASSIGN_OR_RETURN(std::unique_ptr<io::DiskFile> file, disk.open(log->path_of(number), false));
    std::string block(kBlockBytes, '\0');
    ASSIGN_OR_RETURN(const size_t got, file->read(0, block.data(), block.size()));
    const uint64_t first = read_header(std::string_view(block).substr(0, got), number, database_id);
    if (first == 0) {
      headless.push_back(number);
      continue;
    }
    ASSIGN_OR_RETURN(const uint64_t bytes, file->bytes());
    segments.push_back({number, first, 0, bytes});
  }
  uint64_t next = segments.empty() ? 1 : segments.front().first;
  found.first_sequence = next;
  std::string stop;  // why reading ended
  bool is_damage = false;
  for (size_t s = 0; s < segments.size() && stop.empty(); ++s) {
    Segment& segment = segments[s];
    if (segment.first > next) {
      stop = "records " + std::to_string(next) + " to " + std::to_string(segment.first - 1) + " are missing before " + segment_name(segment.number);
      is_damage = true;  // a segment begins only when what stands before it is durable, or its own records prove nothing: see below
      behind.push_back(s);
      break;
    }
    const uint64_t limit = s + 1 < segments.size() ? segments[s + 1].first : UINT64_MAX;
    ASSIGN_OR_RETURN(std::unique_ptr<io::DiskFile> file, disk.open(log->path_of(segment.number), false));
    SegmentReader reader(*file, segment.number, segment.bytes);
    std::string_view payload;
    while (next < limit) {
      ASSIGN_OR_RETURN(const bool whole, reader.next(next, payload));
      if (!whole) break;
      ++next;
    }
    segment.end = next;
    if (next < limit) {
      ASSIGN_OR_RETURN(is_damage, reader.proves_durable(next));
      const uint64_t here = reader.position();
      for (size_t later = s + 1; later < segments.size() && !is_damage; ++later) {
        ASSIGN_OR_RETURN(std::unique_ptr<io::DiskFile> other, disk.open(log->path_of(segments[later].number), false));
        SegmentReader look(*other, segments[later].number, segments[later].bytes);
        ASSIGN_OR_RETURN(is_damage, look.proves_durable(next));
      }
      if (is_damage || s + 1 < segments.size()) {
        stop = "record " + std::to_string(next) + " at byte " + std::to_string(here) + " of " + segment_name(segment.number) + " cannot be read";
      }
      if (!is_damage) found.cut_bytes += segment.bytes - here;
      for (size_t later = s + 1; later < segments.size(); ++later) behind.push_back(later);
    }
    segment.bytes = reader.position();
    if (segment.end == segment.first) unused.push_back(segment.number);
  }
  // A header is synced before records go to its segment, so one that is not whole holds none: unless the bytes rotted,
  // which shows when there is more in the file than the zeros of its reservation.
  for (const uint64_t number : headless) {
    ASSIGN_OR_RETURN(std::unique_ptr<io::DiskFile> file, disk.open(log->path_of(number), false));
    ASSIGN_OR_RETURN(const uint64_t bytes, file->bytes());
    SegmentReader reader(*file, number, bytes);
    ASSIGN_OR_RETURN(const bool has_records, reader.proves_durable(0));
    if (has_records && !is_damage) {
      is_damage = true;
      stop = "the header of " + segment_name(number) + " cannot be read";
    }
    if (!has_records) unused.push_back(number);
  }
  found.next_sequence = next;
  if (is_damage) {
    found.damage = stop + "; " + std::to_string(next - found.first_sequence) + " records before it are whole";
    if (!accept_damage) {
      if (state) *state = found;
      return Status(ErrorCode::kDamagedLog, "log " + folder + " is damaged: " + found.damage);
    }
  }
  if (state) *state = found;
  // The segment that takes what comes is there before any other goes: its header keeps the sequence.
  ASSIGN_OR_RETURN(log->file_, log->make_segment(highest + 1, next, options.first_segment_bytes));
  // What was not read does not stand in the way of what comes: unsynced leftovers go, damaged segments are kept aside.
  for (const size_t s : behind) unused.push_back(segments[s].number);
  if (is_damage) unused.insert(unused.end(), headless.begin(), headless.end());
  std::sort(unused.begin(), unused.end());
  unused.erase(std::unique(unused.begin(), unused.end()), unused.end());
  for (const uint64_t number : unused) {
    if (is_damage) {
      RETURN_IF_ERROR(disk.rename(log->path_of(number), log->path_of(number) + ".damaged", true, nullptr));
    } else {
      RETURN_IF_ERROR(disk.remove(log->path_of(number)));
    }
    std::erase_if(segments, [number](const Segment& segment) { return segment.number == number; });
  }
  if (!unused.empty()) RETURN_IF_ERROR(disk.sync_folder(folder));
  // What was read may have come from the page cache of a process that was killed.
  for (const Segment& segment : segments) {
    ASSIGN_OR_RETURN(std::unique_ptr<io::DiskFile> file, disk.open(log->path_of(segment.number), true));
    if (!is_damage && segment.number == segments.back().number) RETURN_IF_ERROR(file->truncate(segment.bytes));
    RETURN_IF_ERROR(file->sync());
  }
  log->segments_ = std::move(segments);
  log->appended_ = log->durable_ = log->buffered_ = next - 1;
  log->segments_.push_back({highest + 1, next, next, kBlockBytes});
  log->file_reserved_ = options.first_segment_bytes;
  log->active_.offset = kBlockBytes;
  return log;
}

Result<std::unique_ptr<io::DiskFile>> Log::make_segment(uint64_t number, uint64_t first, uint64_t bytes) {
  const std::string path = path_of(number);
  const auto make = [&]() -> Result<std::unique_ptr<io::DiskFile>> {
    ASSIGN_OR_RETURN(std::unique_ptr<io::DiskFile> file, disk_.create(path, bytes, io::FileUse::kLog));
    Buffer block;
    block.room(kBlockBytes);
    std::memcpy(block.bytes.get(), header_block(number, first, database_id_).data(), kBlockBytes);
    RETURN_IF_ERROR(file->write(0, block.bytes.get(), kBlockBytes));
    RETURN_IF_ERROR(file->sync());
    RETURN_IF_ERROR(disk_.sync_folder(folder_));
    return file;
  };
  Result<std::unique_ptr<io::DiskFile>> file = make();
  if (!file.ok()) (void)disk_.remove(path);
  return file;
}

Status Log::replay(uint64_t from, const Visitor& visit) {
  for (const Segment& segment : segments_) {
    if (segment.end > from) RETURN_IF_ERROR(read_segment(segment, from, visit));
  }
  return {};
}

Status Log::read_segment(const Segment& segment, uint64_t from, const Visitor& visit) {
  ASSIGN_OR_RETURN(std::unique_ptr<io::DiskFile> file, disk_.open(path_of(segment.number), false));
  SegmentReader reader(*file, segment.number, segment.bytes);
  std::string_view payload;
  for (uint64_t sequence = segment.first; sequence < segment.end; ++sequence) {
    ASSIGN_OR_RETURN(const bool whole, reader.next(sequence, payload));
    if (!whole) return Status(ErrorCode::kDamagedLog, "record " + std::to_string(sequence) + " of " + path_of(segment.number) + " changed while it was read");
    if (sequence >= from) RETURN_IF_ERROR(visit(sequence, payload));
  }
  return {};
}

Result<uint64_t> Log::append(std::string_view payload) {
  std::unique_lock lock(mutex_);
  const size_t bytes = padded(kHeaderBytes + payload.size());
  // Both let go of the lock, and others append meanwhile.
  for (;;) {
    if (!has_room(bytes)) {
      RETURN_IF_ERROR(roll(lock, bytes));
    } else if (active_.used + bytes > kBufferMax && dirty_) {
      RETURN_IF_ERROR(flush_locked(lock, false));
    } else {
      break;
    }
  }
  active_.room(bytes);
  RecordHeader header;
  header.length = static_cast<uint32_t>(payload.size());
  header.sequence = appended_.load(std::memory_order_relaxed) + 1;
  header.synced = durable_.load(std::memory_order_relaxed);
  header.crc = record_crc(segments_.back().number, header, payload.data());
  char* to = active_.bytes.get() + active_.used;
  std::memcpy(to, &header, kHeaderBytes);
  std::memcpy(to + kHeaderBytes, payload.data(), payload.size());
  std::memset(to + kHeaderBytes + payload.size(), 0, bytes - kHeaderBytes - payload.size());
  active_.used += bytes;
  appended_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  dirty_ = true;
  buffered_ = header.sequence;
  segments_.back().end = header.sequence + 1;
  appended_.store(header.sequence, std::memory_order_release);
  return header.sequence;
}

Status Log::make_room(size_t payload_bytes) {
  std::unique_lock lock(mutex_);
  const size_t bytes = padded(kHeaderBytes + payload_bytes);
  return has_room(bytes) ? Status() : roll(lock, bytes);
}

Status Log::begin_segment() {
  std::unique_lock lock(mutex_);
  return roll(lock, 0);
}

// What waits goes to the segment that there is, durably; then the next one, when it can be had.
Status Log::roll(std::unique_lock<std::mutex>& lock, size_t record_bytes) {
  const uint64_t before = segments_.back().number;
  const uint64_t reserve = std::max<uint64_t>(options_.segment_bytes, to_block(kBlockBytes + record_bytes));
  // Until nothing has come meanwhile: from there on the lock is held.
  do {
    RETURN_IF_ERROR(flush_locked(lock, true));
  } while (dirty_ || unsynced_ || flushing_);
  if (segments_.back().number != before) return {};  // another one has done it
  const uint64_t number = before + 1;
  ASSIGN_OR_RETURN(std::unique_ptr<io::DiskFile> file, make_segment(number, appended_.load() + 1, reserve));
  segments_.back().bytes = active_.offset + active_.used;
  (void)file_->truncate(segments_.back().bytes);  // gives back what was reserved and not used
  file_ = std::move(file);
  file_reserved_ = reserve;
  segments_.push_back({number, appended_.load() + 1, appended_.load() + 1, kBlockBytes});
  active_.offset = kBlockBytes;
  active_.used = 0;
  return {};
}

Status Log::flush_locked(std::unique_lock<std::mutex>& lock, bool sync) {
  flushed_.wait(lock, [this] { return !flushing_; });
  if (!dirty_ && !(sync && unsynced_)) return {};
  const uint64_t sequence = buffered_;
  if (!dirty_) {
    flushing_ = true;
    lock.unlock();
    const Status status = file_->sync();
    lock.lock();
    flushing_ = false;
    if (status.ok()) {
      unsynced_ = false;
      durable_.store(std::max(durable_.load(), sequence), std::memory_order_release);
    }
    flushed_.notify_all();
    return status;
  }
  flushing_ = true;
  std::swap(active_, writing_);
  // The last block comes again with the next flush.
  const size_t kept = writing_.used % kBlockBytes;
  active_.offset = writing_.offset + writing_.used - kept;
  active_.used = 0;
  active_.room(kBlockBytes);
  std::memcpy(active_.bytes.get(), writing_.bytes.get() + writing_.used - kept, kept);
  active_.used = kept;
  dirty_ = false;
  const size_t whole = to_block(writing_.used);
  writing_.room(whole - writing_.used);
  std::memset(writing_.bytes.get() + writing_.used, 0, whole - writing_.used);
  io::DiskFile& file = *file_;
  lock.unlock();
  const Status status = sync ? file.write_durable(writing_.offset, writing_.bytes.get(), whole)
                             : file.write(writing_.offset, writing_.bytes.get(), whole);
  lock.lock();
  flushing_ = false;
  if (!status.ok()) {
    // Put what came meanwhile behind what was not written: the next attempt writes all of it.
    const size_t fresh = active_.used - kept;
    writing_.room(fresh);
    std::memcpy(writing_.bytes.get() + writing_.used, active_.bytes.get() + kept, fresh);
    writing_.used += fresh;
    std::swap(active_, writing_);
    dirty_ = true;
  } else {
    flushes_.fetch_add(1, std::memory_order_relaxed);
    bytes_written_.fetch_add(whole, std::memory_order_relaxed);
    unsynced_ = !sync;
    if (sync) durable_.store(std::max(durable_.load(), sequence), std::memory_order_release);
  }
  flushed_.notify_all();
  return status;
}

Status Log::commit(uint64_t sequence) {
  if (durable() >= sequence) return {};
  std::unique_lock lock(mutex_);
  while (durable_.load(std::memory_order_relaxed) < sequence) {
    if (flushing_) {
      flushed_.wait(lock);
      continue;
    }
    RETURN_IF_ERROR(flush_locked(lock, true));
  }
  return {};
}

Status Log::flush(bool sync) {
  std::unique_lock lock(mutex_);
  return flush_locked(lock, sync);
}

uint64_t Log::bytes_waiting() {
  std::lock_guard lock(mutex_);
  return dirty_ ? active_.used : 0;
}

Status Log::free_before(uint64_t sequence) {
  std::vector<uint64_t> numbers;
  {
    std::lock_guard lock(mutex_);
    while (segments_.size() > 1 && segments_.front().end <= sequence) {
      numbers.push_back(segments_.front().number);
      segments_.erase(segments_.begin());
    }
  }
  for (const uint64_t number : numbers) RETURN_IF_ERROR(disk_.remove(path_of(number)));
  return {};
}

uint64_t Log::first_sequence() {
  std::lock_guard lock(mutex_);
  return segments_.front().first;
}

uint64_t Log::bytes_on_disk() {
  std::lock_guard lock(mutex_);
  uint64_t bytes = file_reserved_;
  for (size_t i = 0; i + 1 < segments_.size(); ++i) bytes += segments_[i].bytes;
  return bytes;
}

uint64_t Log::segment_count() {
  std::lock_guard lock(mutex_);
  return segments_.size();
}

}  // namespace laminar::storage
