#include "base/status.h"

#include <cstdio>

namespace laminar {

std::string_view error_title(ErrorCode code) {
  switch (code) {
#define LAMINAR_ERROR(number, name, title, advice) \
  case ErrorCode::k##name:                         \
    return title;
#include "laminar/error_codes.inc"
#undef LAMINAR_ERROR
  }
  return "unknown error";
}

std::string_view error_advice(ErrorCode code) {
  switch (code) {
#define LAMINAR_ERROR(number, name, title, advice) \
  case ErrorCode::k##name:                         \
    return advice;
#include "laminar/error_codes.inc"
#undef LAMINAR_ERROR
  }
  return "";
}

std::string Error::code_text() const {
  char text[16];
  std::snprintf(text, sizeof text, "LDB-%04u", static_cast<unsigned>(code));
  return text;
}

}  // namespace laminar
