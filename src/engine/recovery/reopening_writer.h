// The writer of a sink that could not be opened at recovery: each epoch tries again, and passes through once it can.
//
// Threads: that of the sink's group.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "stream/edge/sink.h"

namespace laminar::engine {

class ReopeningWriter final : public stream::SinkWriter {
 public:
  using Open = std::function<Result<std::unique_ptr<stream::SinkWriter>>()>;
  explicit ReopeningWriter(Open open) : open_(std::move(open)) {}

  Status begin(uint64_t epoch) override {
    if (!writer_) {
      Result<std::unique_ptr<stream::SinkWriter>> opened = open_();
      if (!opened.ok()) return Status(opened.error().code, "cannot be opened: " + opened.error().message);
      writer_ = opened.take();
    }
    return writer_->begin(epoch);
  }
  Status write(const data::Batch& batch, uint64_t tick) override { return writer_->write(batch, tick); }
  Status prepare() override { return writer_->prepare(); }
  Status commit() override { return writer_->commit(); }
  void abort() override {
    if (writer_) writer_->abort();
  }
  std::string prepared() const override { return writer_ ? writer_->prepared() : std::string(); }
  void leave() override {
    if (writer_) writer_->leave();
  }
  Status close() override { return writer_ ? writer_->close() : Status(); }

 private:
  const Open open_;
  std::unique_ptr<stream::SinkWriter> writer_;
};

}  // namespace laminar::engine
