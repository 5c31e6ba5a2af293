// The server's synchronous_standby_names: whom commits wait for, and how one more comes in so that none is acknowledged without it. Pure.
// PostgreSQL's rules: "synchronous_standby_names" in its documentation, syncrep_gram.y in its source.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ark {

// How the shipper of WAL is called where commits wait for the store.
constexpr const char *kStoreStandby = "pg_ark_wal_sync";

struct StandbyNames {
    bool any = false;           // ANY n (...); else FIRST n (...)
    std::uint64_t count = 0;    // n; 0: nobody is waited for
    std::vector<std::string> names;
};

// Throws kInvalidArgument for what a server would refuse.
StandbyNames ParseStandbyNames(std::string_view text);

// Whether the name is in the list. No, for a text that cannot be read.
bool NamesStandby(std::string_view text, std::string_view name) noexcept;

// Whether it is a text by which nobody is waited for.
bool NamesNobody(std::string_view text) noexcept;

// The text that waits for `name` alone and stands over one that names nobody. Another than WithStandby() gives, so that it tells what is to be
// given back.
std::string OverNobody(std::string_view name);

// The text that waits for `name` and for whom `own` waits. Throws kConflict where no text says that: of a list that is longer than
// the number waited for, or of names that stand for several, any may answer in the place of `name`.
std::string WithStandby(std::string_view own, std::string_view name);

}    // namespace ark
