// The pages of docs/ that are printed by the program, so that they cannot drift: settings and commands.
#pragma once

#include <string>

namespace ark::cli {

int PrintReference(const std::string &topic);

}    // namespace ark::cli
