// How a view begins: from the content of its inputs, from the past of its replayable sources, or from now on.
//
// A view over a source that has been read already gets a reader of its own from the first row. It runs in slices between
// ticks until it stands where the shared reader stands; then it joins the shared ticks. Content of tables and views is
// given to it in its first shared tick.
#include <algorithm>

#include "base/check.h"
#include "engine/database.h"

namespace laminar::engine {

namespace {
constexpr uint32_t kSliceRows = 64 * 1024;      // of catching up between two ticks
constexpr uint64_t kHoldSourceRows = 256 * 1024;  // nearer than this the shared reader waits
}  // namespace

bool Database::inputs_live(const ViewStage& view) {
  return std::all_of(view.plan.inputs.begin(), view.plan.inputs.end(), [this](const std::string& name) {
    Entry* item = entry(name);
    return item && item->live();
  });
}

Status Database::start_views(const std::vector<std::string>& names) {
  if (restoring_) return {};  // their state comes from the checkpoint
  std::vector<ViewStage*> ready;
  const auto in_group = [&](const std::string& name) {
    Entry* item = entry(name);
    return item && item->view && std::find(ready.begin(), ready.end(), item->view.get()) != ready.end();
  };
  for (const std::string& name : names) {
    Entry* item = entry(name);
    if (!item || !item->view || item->view->state != ViewStage::State::kWaiting) continue;
    ViewStage& view = *item->view;
    bool live = true, behind = false;
    for (const std::string& input : view.plan.inputs) {
      Entry* source = entry(input);
      CHECK(source);
      live &= source->live() || in_group(input);
      behind |= source->source && source->source->definition->replayable() && source->source->rows > 0;
    }
    if (!live) continue;  // starts when its inputs do
    if (behind) {
      RETURN_IF_ERROR(prepare_start(view));
      continue;
    }
    ready.push_back(&view);
  }
  if (!ready.empty()) go_live(ready);
  // First readers of their sources.
  for (ViewStage* view : ready) {
    for (const std::string& input : view->plan.inputs) {
      Entry* item = entry(input);
      if (!item->source || item->source->feed || item->source->state != SourceStage::State::kWaiting) continue;
      if (item->source->connector == "memory") {
        item->source->state = SourceStage::State::kRunning;
        continue;
      }
      Result<std::unique_ptr<stream::SourceFeed>> feed = item->source->open_feed([this] { wake(); });
      if (!feed.ok()) return feed.status();
      item->source->op.ensure_partitions(item->source->first_partitions((*feed)->reader()), clock_.now_us());
      item->source->feed = feed.take();
      item->source->state = SourceStage::State::kRunning;
    }
  }
  return {};
}

// Gives the view readers of its own for the sources that are ahead of it.
Status Database::prepare_start(ViewStage& view) {
  std::vector<std::unique_ptr<CatchUp>> readers;
  for (const std::string& input : view.plan.inputs) {
    Entry* item = entry(input);
    if (!item->source || !item->source->definition->replayable() || item->source->rows == 0) continue;
    SourceStage& source = *item->source;
    auto reader = std::make_unique<CatchUp>();
    reader->source = &source;
    reader->op = std::make_unique<stream::SourceOperator>(source.op.types(), source.time);
    ASSIGN_OR_RETURN(reader->feed, source.open_feed([this] { wake(); }));
    reader->op->ensure_partitions(source.first_partitions(reader->feed->reader()), clock_.now_us());
    readers.push_back(std::move(reader));
  }
  for (auto& reader : readers) {
    for (const stream::Pipeline::Scan& scan : view.pipeline.scans) {
      if (entry(scan.object)->source.get() != reader->source) continue;
      if (view.parts.empty()) {
        reader->op->add_output(scan.op, 0);
        continue;
      }
      if (!reader->fan) {
        reader->fan = std::make_unique<stream::SourceFan>(reader->op->types(), view.catch_up_intake);
        reader->op->add_output(reader->fan.get(), 0);
      }
      reader->fan->connect(scan.op, scan.core, !scan.spread);
    }
  }
  view.catch_up = std::move(readers);
  view.state = ViewStage::State::kCatchingUp;
  wake_locked();
  return {};
}

// One slice of the past; true when it did something. Goes live when nothing is left.
bool Database::run_catch_up(ViewStage& view, const std::vector<uint64_t>* up_to) {
  bool worked = false, level = true;
  // Answers come in ticks between the slices of a view that asks: slices are recorded.
  Command slice_command(*this);
  const bool records_slice = recording() && !view.pipeline.lookups.empty();
  const stream::TickInfo info{core_.tick(), slice_command.now_us()};
  core_.set_time(info.now_us);
  if (!replaying_ && !lookups_have_room(view)) return false;
  if (records_slice && !room_to_record(kSmallRecordBytes).ok()) return false;
  for (size_t r = 0; r < view.catch_up.size(); ++r) {
    auto& reader = view.catch_up[r];
    SourceStage& source = *reader->source;
    const uint64_t end = up_to ? (*up_to)[r] : source.rows;
    reader->op->begin_tick(info);
    uint32_t slice = 0;
    while (slice < kSliceRows && reader->rows < end && (up_to || !is_ahead(view, *reader))) {
      if (!reader->item.buffer && !reader->feed->poll(reader->item)) break;
      if (reader->item.error) {
        view.state = ViewStage::State::kFailed;
        view.failure = *reader->item.error;
        live_changed_.notify_all();
        return true;
      }
      data::BatchBuffer& buffer = *reader->item.buffer;
      if (reader->taken == 0) source.fill_processing_time(buffer, info.now_us);
      // No further than the shared reader: the rest of the batch may be needed after it has moved on.
      const uint32_t rows = static_cast<uint32_t>(std::min<uint64_t>(buffer.rows - reader->taken, end - reader->rows));
      if (rows > 0) {
        for (const uint32_t partition : reader->item.ended_before) reader->op->push(stream::SourceOperator::end_port(partition), {});
        reader->item.ended_before.clear();
        if (rows == buffer.rows) {
          reader->op->push(reader->item.partition, buffer.view());
        } else {
          // A cut batch is copied, so that it starts on a whole validity word.
          reader->part = std::make_unique<data::BatchBuffer>(source.object->columns);
          const data::Batch whole = buffer.view();
          for (uint32_t i = 0; i < rows; ++i) reader->part->append_row(whole, reader->taken + i, 1);
          reader->op->push(reader->item.partition, reader->part->view());
          // Its rows are read when the operators run: nothing more may take its place before.
          slice = kSliceRows;
        }
      }
      reader->taken += rows;
      reader->rows += rows;
      slice += rows;
      worked = true;
      if (reader->taken == buffer.rows) {
        reader->ended = reader->item.ended;
        reader->read.push_back(&buffer);
        reader->item = {};
        reader->taken = 0;
      }
    }
    level &= reader->rows == source.rows;
  }
  if (worked) {
    if (records_slice) {
      (void)record_ddl(slice_command, nullptr, RecordKind::kCatchUpSlice, [&](ByteWriter& out) {
        out.text(view.name).put(static_cast<uint32_t>(view.catch_up.size()));
        for (auto& reader : view.catch_up) out.put(reader->rows);
      });
    }
    for (auto& reader : view.catch_up) {
      reader->op->finish(info);
      if (reader->fan) reader->fan->finish(info);
    }
    stream::Stage* const stage = &view;
    core_.run_apart({&stage, 1}, view.catch_up_intake);
    for (auto& reader : view.catch_up) {
      for (data::BatchBuffer* buffer : reader->read) reader->feed->recycle(buffer);
      reader->read.clear();
    }
  }
  if (level && !up_to) {
    Command command(*this);
    if (!room_to_record(kSmallRecordBytes).ok()) return worked;
    (void)record_ddl(command, nullptr, RecordKind::kCaughtUp, [&](ByteWriter& out) { out.text(view.name); });
    go_live({&view});
    worked = true;
  }
  return worked;
}

// Whether some view is so near to this source's position that the source should wait for it.
bool Database::held_by_catch_up(const SourceStage& source) {
  for (auto& [name, item] : entries_) {
    if (!item.view || item.view->state != ViewStage::State::kCatchingUp) continue;
    const bool several = item.view->catch_up.size() > 1;
    for (auto& reader : item.view->catch_up) {
      if (reader->source == &source && (several || source.rows - reader->rows < kHoldSourceRows)) return true;
    }
  }
  return false;
}

// Wires the views to the shared graph and runs their first tick, content of their inputs included.
void Database::go_live(const std::vector<ViewStage*>& views) {
  std::vector<stream::Stage*> stages;
  // All are wired before anything flows: a view of this group may be read by another one.
  for (ViewStage* view : views) {
    for (auto& reader : view->catch_up) {
      for (const stream::Pipeline::Scan& scan : view->pipeline.scans) {
        reader->op->remove_output(scan.op);
        if (reader->fan) reader->fan->disconnect(scan.op);
      }
    }
    std::vector<std::unique_ptr<CatchUp>> done;
    done.swap(view->catch_up);
    for (const stream::Pipeline::Scan& scan : view->pipeline.scans) {
      connect(*view, scan);
    }
    view->state = ViewStage::State::kLive;
    stages.push_back(view);
  }
  for (ViewStage* view : views) {
    for (const stream::Pipeline::Scan& scan : view->pipeline.scans) {
      Entry* input = entry(scan.object);
      // A view that starts with this one passes its content on by itself, in the same tick.
      const bool together = input->view && std::find(views.begin(), views.end(), input->view.get()) != views.end();
      if (together) continue;
      const auto push = [&scan](const data::Batch& batch) { scan.op->push(0, batch); };
      if (input->view && scan.spread && input->view->holds_content()) input->view->scan_core(scan.core, push);
      else scan_entry(*input, push);
    }
  }
  hold_sinks();
  core_.run({}, stages, false);
  version_.fetch_add(1);
  after_tick();
}

}  // namespace laminar::engine
