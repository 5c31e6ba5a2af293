#include "cli/plugin.h"

#include <fmt/format.h>

namespace ark::cli {

int PluginStatusOf(Code code) {
    switch (code) {
    case Code::kInvalidArgument:
    case Code::kUnsupported:
    case Code::kCancelled:
    case Code::kInternal: return kPluginUnknown;
    case Code::kNotFound:
    case Code::kPermissionDenied:
    case Code::kUnavailable:
    case Code::kCorrupt:
    case Code::kConflict:
    case Code::kAlreadyExists: break;
    }
    return kPluginCritical;
}

std::string PluginLine(const Error &error) {
    std::string line = PluginStatusOf(error.code) == kPluginCritical ? "CRITICAL: " : "UNKNOWN: ";
    line += error.message;
    if (!error.detail.empty()) line += fmt::format(" ({})", error.detail);
    for (char &c : line) {
        if (c == '\n' || c == '\r') c = ' ';
        if (c == '|') c = '/';
    }
    return line;
}

}    // namespace ark::cli
