// What a role and a machine must have before a logical backup can be whole.
#pragma once

#include <string>
#include <vector>

#include "server/connection.h"

namespace ark {

// The statements that would give the connection's role what it lacks; empty for a superuser.
// Needed: pg_read_all_data, BYPASSRLS, pg_read_all_settings (to see the data directory).
std::vector<std::string> MissingRights(Connection &connection);

// "pg_dump 15.18 at /usr/lib/postgresql/15/bin/pg_dump". Searched in `pg_bindir`, beside this program, in Debian's place for the
// server's major version, on PATH. Throws kNotFound, or kUnsupported if it is older than the server, saying what was found.
std::string FindPgDump(const std::string &pg_bindir, int server_version_num);
std::string DescribePgDump(const std::string &pg_bindir, int server_version_num);

}    // namespace ark
