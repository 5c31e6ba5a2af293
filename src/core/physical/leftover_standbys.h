// The standbys that a restored cluster's commits would wait for by its configuration: those of the original, which follow the original.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace ark {

struct LeftoverStandbys {
    std::string names;         // synchronous_standby_names; empty: nobody would be waited for
    bool automatic = false;    // by ALTER SYSTEM
};

// `automatic` is the text that is going to be its postgresql.auto.conf; the rest is read from the data directory.
LeftoverStandbys FindLeftoverStandbys(const std::filesystem::path &pgdata, std::string_view automatic);

// A postgresql.auto.conf by which nobody is waited for.
std::string WithoutStandbys(std::string_view automatic);

}    // namespace ark
