// The change of tables that a statement makes, while its tick pushes it: how far it is, and how it is stopped.
//
// A join may meet millions of rows with one of the change. It asks should_stop() after each batch of pairs; told to stop,
// it takes back what it has sent for the batch that it was given, becomes as before it and refuses it: refuse(). From then on
// nobody is given anything (Operator::emit()), and the core pushes what was pushed so far once more with weights reversed,
// in the same order, up to that same place. Downstream all of it adds up to nothing, and the tick ends without a change.
//
// Only a join that every batch reaches through operators that hold nothing back may stop, as it is given the same batches
// in the same order again; `held` counts the others above it.
//
// Threads: the core's leader; `made` is read by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace laminar::stream {

class ChangeRun {
 public:
  ChangeRun(std::function<bool()> interrupted, std::atomic<uint64_t>* made) : interrupted_(std::move(interrupted)), made_(made) {}

  bool refused() const { return refused_; }
  bool undoing() const { return undoing_; }
  uint32_t held = 0;

  // By the core: pushes of the next input begin. `last`: the one that was refused, when all are undone.
  void begin_input(bool last) {
    pushes_ = 0;
    refused_ = false;
    last_ = last;
  }
  void begin_undo() { undoing_ = true; }

  // By joins: a push begins; false when it is the one that was refused before.
  bool begin_push() {
    if (held > 0) return true;
    if (undoing_ && last_ && pushes_ == refused_push_) {
      refused_ = true;
      return false;
    }
    ++pushes_;
    return true;
  }
  // So many changes more have been made. Whether the push should be taken back and refused.
  bool should_stop(uint64_t changes) {
    made_->fetch_add(changes, std::memory_order_relaxed);
    return held == 0 && !undoing_ && interrupted_ && interrupted_();
  }
  void refuse() {
    refused_ = true;
    refused_push_ = pushes_ - 1;
  }

 private:
  const std::function<bool()> interrupted_;
  std::atomic<uint64_t>* const made_;
  bool refused_ = false, undoing_ = false, last_ = false;
  uint64_t pushes_ = 0, refused_push_ = 0;
};

}  // namespace laminar::stream
