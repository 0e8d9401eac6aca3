#include "engine/source_stage.h"

#include <algorithm>

namespace laminar::engine {

namespace {
constexpr uint64_t kRejectRowsMax = 1 << 20;
}  // namespace

void DeadLetterStore::add(stream::BadRecord record) {
  std::lock_guard lock(mutex_);
  ++count_;
  if (records_.size() == kRecordsMax) records_.pop_front();
  records_.push_back(std::move(record));
}

std::vector<stream::BadRecord> DeadLetterStore::list() {
  std::lock_guard lock(mutex_);
  return {records_.begin(), records_.end()};
}

uint64_t DeadLetterStore::count() {
  std::lock_guard lock(mutex_);
  return count_;
}

SourceStage::SourceStage(std::shared_ptr<const sql::Object> object_, std::string connector_name,
                         std::unique_ptr<stream::SourceDefinition> definition_, std::optional<stream::SourceTime> time_,
                         std::vector<uint32_t> processing_time_columns_)
    : object(std::move(object_)), connector(std::move(connector_name)), definition(std::move(definition_)), time(std::move(time_)),
      processing_time_columns(std::move(processing_time_columns_)), rejects({object->columns}, kRejectRowsMax),
      op(data::types_of(object->columns), time) {
  name = object->name;
  op.set_rejects(&rejects);
  operators = {&op};
}

Result<std::unique_ptr<stream::SourceFeed>> SourceStage::open_feed(std::function<void()> wake) {
  ASSIGN_OR_RETURN(auto reader, definition->open([this](stream::BadRecord record) { dead_letters.add(std::move(record)); }));
  return std::make_unique<stream::SourceFeed>(std::move(reader), object->columns, std::move(wake));
}

bool SourceStage::poll(stream::SourceFeed::Item& item) {
  if (!rest_.buffer) return feed->poll(item);
  item = std::move(rest_);
  rest_ = {};
  return true;
}

void SourceStage::recycle(data::BatchBuffer* buffer) {
  if (buffer == rest_rows_.get()) return;
  feed->recycle(buffer);
}

void SourceStage::keep_rest(stream::SourceFeed::Item item, uint32_t taken) {
  auto rest = std::make_unique<data::BatchBuffer>(object->columns);
  const data::Batch whole = item.buffer->view();
  for (uint32_t i = taken; i < whole.rows; ++i) rest->append_row(whole, i, 1);
  recycle(item.buffer);
  rest_rows_ = std::move(rest);
  item.buffer = rest_rows_.get();
  rest_ = std::move(item);
}

void SourceStage::connect_part(stream::Operator* scan, uint32_t core, bool whole, stream::Intake& intake) {
  if (!fan) {
    fan = std::make_unique<stream::SourceFan>(op.types(), intake);
    op.add_output(fan.get(), 0);
    operators.push_back(fan.get());
    fan->finish({});  // stands where the source stands
  }
  fan->connect(scan, core, whole);
}

void SourceStage::disconnect(stream::Operator* scan) {
  op.remove_output(scan);
  if (fan) fan->disconnect(scan);
}

void SourceStage::fill_processing_time(data::BatchBuffer& buffer, int64_t now_us) const {
  for (uint32_t c : processing_time_columns) {
    data::Column& column = buffer.column(c);
    std::fill_n(column.values<int64_t>(), buffer.rows, now_us);
    std::memset(column.validity, 0xff, data::validity_words(buffer.rows_max()) * 8);
  }
}

const int64_t* SourceStage::processing_times(int64_t now_us) {
  if (processing_time_columns.empty()) return nullptr;
  processing_times_.assign(data::kBatchRowsMax, now_us);
  return processing_times_.data();
}

const char* to_text(SourceStage::State state) {
  switch (state) {
    case SourceStage::State::kWaiting: return "waiting";
    case SourceStage::State::kRunning: return "running";
    case SourceStage::State::kEnded: return "ended";
    case SourceStage::State::kFailed: return "failed";
  }
  return "";
}

}  // namespace laminar::engine
