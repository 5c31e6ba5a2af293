// Exit statuses of pg_ark, documented in docs/errors.md. Above 125 nothing is used but 130: a shell's own meaning begins there.
#pragma once

#include "base/error.h"

namespace ark::cli {

constexpr int ExitCodeOf(Code code) {
    switch (code) {
    case Code::kInvalidArgument: return 2;
    case Code::kNotFound: return 3;
    case Code::kPermissionDenied: return 4;
    case Code::kUnavailable: return 5;
    case Code::kCorrupt: return 6;
    case Code::kConflict: return 7;
    case Code::kAlreadyExists: return 7;
    case Code::kUnsupported: return 8;
    case Code::kCancelled: return 130;
    case Code::kInternal: return 1;
    }
    return 1;
}

}    // namespace ark::cli
