#include "cli/plugin.h"

#include <gtest/gtest.h>

namespace ark::cli {
namespace {

TEST(Plugin, AFaultIsOneLineAndAStatusThatMonitoringKnows) {
    Error error(Code::kUnavailable, "could not reach \"s3://there\"", "2 attempts in 3 s;\nHTTP 503|busy", "wait");
    EXPECT_EQ(PluginLine(error), "CRITICAL: could not reach \"s3://there\" (2 attempts in 3 s; HTTP 503/busy)");
    EXPECT_EQ(PluginStatusOf(error.code), 2);
    EXPECT_EQ(PluginLine(Error(Code::kInvalidArgument, "no store is set")), "UNKNOWN: no store is set");
    for (Code code :
         {Code::kNotFound, Code::kAlreadyExists, Code::kInvalidArgument, Code::kPermissionDenied, Code::kUnavailable,
          Code::kCorrupt, Code::kConflict, Code::kCancelled, Code::kUnsupported, Code::kInternal}) {
        EXPECT_GE(PluginStatusOf(code), 2) << CodeName(code);
        EXPECT_LE(PluginStatusOf(code), 3) << CodeName(code);
    }
}

}    // namespace
}    // namespace ark::cli
