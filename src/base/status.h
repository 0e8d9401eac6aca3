// Status, Result<T> and error codes: the same inside as outside.
#pragma once

#include "laminar/status.h"
