// Exit statuses of pg_ark, documented in docs/errors.md. Above 125 a shell's own meaning begins: nothing is used there but 130, and by
// wal-fetch.
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

// A server takes 1 to 125 of its restore_command for "there is no such file" and goes on without it; 126 and more stop its recovery
// (access/transam/xlogarchive.c, RestoreArchivedFile), and what looks like SIGTERM is a shutdown.
constexpr int kWalFileIsAbsent = 3;
constexpr int WalFetchExitCodeOf(Code code) { return code == Code::kCancelled ? 128 + 15 : 200 + ExitCodeOf(code); }

}    // namespace ark::cli
