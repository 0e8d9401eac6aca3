// One line on standard error that says what is being done, while that is a terminal; erased at the end.
#pragma once

#include <string>

namespace laminar::bench {

class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  void show(const std::string& what);

 private:
  bool on_ = false;
};

}  // namespace laminar::bench
