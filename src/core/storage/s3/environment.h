// What the credential chain and the settings may see of the process: variables, files, commands.
// Passed in, so that tests decide what is there.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/cancel.h"
#include "base/clock.h"

namespace ark::s3 {

struct Environment {
    std::function<std::optional<std::string>(const std::string &name)> variable;    // nullopt: not set
    std::function<std::optional<std::string>(const std::string &path)> file;    // nullopt: missing; other faults throw
    // The standard output of a shell command; throws kPermissionDenied if it fails, with its exit status, never its output.
    std::function<std::string(const std::string &command)> run;

    std::string Get(const std::string &name) const { return variable(name).value_or(""); }    // empty counts as not set
};

// The real thing; HOME is the user's entry in the password file where the variable is not set. A command is ended after a minute, and at once when the ticker says so.
Environment ProcessEnvironment(Ticker &ticker);

}    // namespace ark::s3
