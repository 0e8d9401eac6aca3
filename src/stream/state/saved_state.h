// Whether the operators that are being made will be asked to save their state: those that could not otherwise keep more then.
//
// Threads: of the calling thread, while the object lives.
#pragma once

namespace laminar::stream {

class StateIsSaved {
 public:
  explicit StateIsSaved(bool saved) : outer_(now_) { now_ = saved; }
  ~StateIsSaved() { now_ = outer_; }
  StateIsSaved(const StateIsSaved&) = delete;
  StateIsSaved& operator=(const StateIsSaved&) = delete;
  static bool now() { return now_; }

 private:
  inline static thread_local bool now_ = false;
  const bool outer_;
};

}  // namespace laminar::stream
