// Status, Result<T> and the error codes of the public interface.
#pragma once

#include "base/status.h"
