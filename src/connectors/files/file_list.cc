#include "connectors/files/file_list.h"

namespace laminar::connectors {

namespace {

bool ends_with_ignoring_case(std::string_view text, std::string_view lower_end) {
  if (text.size() < lower_end.size()) return false;
  text.remove_prefix(text.size() - lower_end.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
    if (c != lower_end[i]) return false;
  }
  return true;
}

// Files still being written have such names.
bool is_unfinished(std::string_view path) {
  const std::string_view name = io::name_of(path);
  return name.empty() || name.front() == '.' || ends_with_ignoring_case(name, ".tmp");
}

}  // namespace

std::optional<FileFormat> format_of(std::string_view name) {
  for (const std::string_view end : {".csv", ".tsv"}) {
    if (ends_with_ignoring_case(name, end)) return FileFormat::kCsv;
  }
  for (const std::string_view end : {".json", ".ndjson", ".jsonl"}) {
    if (ends_with_ignoring_case(name, end)) return FileFormat::kJson;
  }
  if (ends_with_ignoring_case(name, ".parquet")) return FileFormat::kParquet;
  return std::nullopt;
}

std::string_view format_name(FileFormat format) {
  switch (format) {
    case FileFormat::kCsv: return "csv";
    case FileFormat::kJson: return "json";
    case FileFormat::kParquet: return "parquet";
  }
  return "";
}

Result<std::shared_ptr<FileList>> FileList::open(const std::string& path, std::optional<FileFormat> format, bool watch,
                                                 int64_t path_offset) {
  const auto at_path = [path_offset](const Status& status) { return Status(status.error().code, status.text(), path_offset); };
  std::shared_ptr<FileList> list(new FileList);
  list->path_ = path;
  list->wanted_ = format;
  const Result<io::FileInfo> info = io::file_info(path);
  if (!info.ok()) return at_path(info.status());
  list->is_folder_ = info->kind == io::FileInfo::Kind::kFolder;
  list->is_pattern_ = info->kind == io::FileInfo::Kind::kNone && io::has_glob(path);
  if (info->kind == io::FileInfo::Kind::kOther) {
    return Status(ErrorCode::kFileUnreadable, "not a file or folder: " + path, path_offset);
  }
  if (info->kind == io::FileInfo::Kind::kNone && !list->is_pattern_) {
    return Status(ErrorCode::kFileNotFound, "file not found: " + path, path_offset);
  }
  if (watch && !list->is_folder_ && !list->is_pattern_) {
    return Status(ErrorCode::kInvalidOption, "watch needs a folder or a pattern, and this is a file: " + path, path_offset);
  }
  if (const Status status = list->refresh(); !status.ok()) return at_path(status);
  if (list->files_.empty() && !watch) {
    return Status(ErrorCode::kFileNotFound,
                  std::string(list->is_folder_ ? "no files to read in folder: " : "no file matches: ") + path +
                      (format ? " (format " + std::string(format_name(*format)) + ")" : std::string()),
                  path_offset);
  }
  if (!format) {
    for (const ListedFile& file : list->files_) {
      if (format_of(file.path) != format_of(list->files_.front().path)) {
        return Status(ErrorCode::kMissingOption,
                      "files of several formats: " + list->files_.front().path + " and " + file.path + "; add the option format",
                      path_offset);
      }
    }
  }
  return list;
}

Result<std::vector<std::string>> FileList::find() const {
  std::vector<std::string> paths;
  if (is_folder_) {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, io::list_folder(path_));
    for (const std::string& name : names) {
      const std::optional<FileFormat> format = format_of(name);
      if (format && (!wanted_ || *format == *wanted_)) paths.push_back(io::join_path(path_, name));
    }
  } else if (is_pattern_) {
    ASSIGN_OR_RETURN(paths, io::glob(path_));
  } else {
    return std::vector<std::string>{path_};  // named by the user, whatever the name
  }
  std::erase_if(paths, is_unfinished);
  return paths;
}

Status FileList::refresh() {
  ASSIGN_OR_RETURN(const std::vector<std::string> paths, find());
  std::lock_guard lock(mutex_);
  for (const std::string& path : paths) {
    if (known_.contains(path)) continue;
    ASSIGN_OR_RETURN(const io::FileInfo info, io::file_info(path));
    if (info.kind != io::FileInfo::Kind::kFile) continue;  // sub-folders are not read; a file may be gone again
    files_.push_back({path, info});
    known_.insert(path);
  }
  return Status();
}

std::optional<FileFormat> FileList::format() {
  std::lock_guard lock(mutex_);
  if (wanted_) return wanted_;
  return files_.empty() ? std::nullopt : format_of(files_.front().path);
}

std::optional<ListedFile> FileList::file(size_t i) {
  std::lock_guard lock(mutex_);
  return i < files_.size() ? std::optional(files_[i]) : std::nullopt;
}

size_t FileList::size() {
  std::lock_guard lock(mutex_);
  return files_.size();
}

}  // namespace laminar::connectors
