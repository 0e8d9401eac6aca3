// The parts of the documents that are made from the code: tables of error codes, options and settings.
#pragma once

#include <string>

namespace laminar::docs {

// Markdown lines, by the name behind `<!-- generated`: "errors", "settings", "source options files", "sink options
// console", "connectors". Empty for any other name.
std::string generated(const std::string& name);

}  // namespace laminar::docs
