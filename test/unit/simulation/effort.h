// How much of a simulation is run. Its bounds and "every" need all of it: in a plain build, which scripts/test runs for this program alone.
// Under sanitizers, which take five times as long, a part does: the same code runs on every day and from every seed.
#pragma once

#include <cstddef>
#include <cstdlib>

namespace ark::test {

inline bool Sanitized() { return std::getenv("ARK_SANITIZED") != nullptr; }
inline int Days(int all) { return Sanitized() ? all / 9 : all; }
inline std::size_t Seeds(std::size_t all) { return Sanitized() ? all / 8 : all; }
inline std::size_t Stride() { return Sanitized() ? 4 : 1; }    // of places to interrupt at

}    // namespace ark::test
