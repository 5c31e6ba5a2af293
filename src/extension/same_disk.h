// Whether two paths lie in one file system. Core code: C++ objects, no server calls.
#pragma once

#include <string>

namespace ark::pg {

// Of a path that does not exist yet: the nearest directory above it counts.
bool OnSameDisk(const std::string &path, const std::string &other);

}    // namespace ark::pg
