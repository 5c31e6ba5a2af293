// What a monitoring plugin says of a fault. Nagios Plugin Development Guidelines: one line on standard output, and a status from 0 to 3; a
// store or server that cannot be reached is the trouble that is watched for, and not UNKNOWN.
#pragma once

#include <string>

#include "base/error.h"

namespace ark::cli {

constexpr int kPluginWarning = 1, kPluginCritical = 2, kPluginUnknown = 3;

int PluginStatusOf(Code code);
// "CRITICAL: …", without what a line or its performance data would end at.
std::string PluginLine(const Error &error);

}    // namespace ark::cli
