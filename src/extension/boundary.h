// Where C++ exceptions and the server's errors meet. A function of this folder is either server code (server calls, only
// trivially destructible locals) or core code (C++ objects, no naked server call); CallCore is the door between them.
// An ereport() jumps over C++ frames without running destructors, and an exception must never leave a server function.
#pragma once

#include "extension/server.h"

namespace ark::pg {

// An error in plain memory, so that nothing is alive when it is raised.
struct Failure {
    int sqlstate;
    char message[2048];
    char detail[4096];
    char hint[1024];
};

// Copies at most size - 1 bytes, whole characters only, and ends them with a zero.
void CopyText(char *to, std::size_t size, std::string_view from) noexcept;

// Call it in a catch block: classifies what is in flight. Catches everything.
void Capture(Failure *out) noexcept;
[[noreturn]] void Raise(const Failure &failure);

// Runs core code. What it throws becomes a server error, raised after every C++ object is gone.
// Captures and result are plain values; the caller's own locals must be as plain.
template <class Fn>
std::invoke_result_t<Fn> CallCore(Fn fn) {
    using Result = std::invoke_result_t<Fn>;
    static_assert(std::is_trivially_destructible_v<Fn>);
    static_assert(std::is_void_v<Result> || std::is_trivially_destructible_v<Result>);
    Failure failure;
    try {
        return fn();
    } catch (...) {
        Capture(&failure);
    }
    Raise(failure);
}

// For core code that hands text to the server: a palloc'd copy. Throws bad_alloc, never jumps.
char *PallocText(std::string_view text);

}    // namespace ark::pg
