#include "sql/catalog/object_kind.h"

namespace laminar::sql {

const char* kind_name(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kSource:
      return "source";
    case ObjectKind::kTable:
      return "table";
    case ObjectKind::kView:
      return "materialized view";
    case ObjectKind::kStream:
      return "stream";
    case ObjectKind::kLookupTable:
      return "lookup table";
    case ObjectKind::kWatermarkGroup:
      return "watermark group";
    case ObjectKind::kSink:
      break;
  }
  return "sink";
}

const char* kind_words(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kSource:
      return "SOURCE";
    case ObjectKind::kTable:
      return "TABLE";
    case ObjectKind::kView:
      return "MATERIALIZED VIEW";
    case ObjectKind::kStream:
      return "STREAM";
    case ObjectKind::kLookupTable:
      return "LOOKUP TABLE";
    case ObjectKind::kWatermarkGroup:
      return "WATERMARK GROUP";
    case ObjectKind::kSink:
      break;
  }
  return "SINK";
}

}  // namespace laminar::sql
