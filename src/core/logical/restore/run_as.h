// SQL that touches live tables, run as another role in a security-restricted context by the server library's C
// functions ark_run_as and ark_select_as. They are declared in pg_temp of this session only, so no database needs
// the extension; the connection must be a superuser's.
#pragma once

#include <cstdint>
#include <string>

#include "server/connection.h"

namespace ark {

class RunAs {
public:
    // Throws kPermissionDenied if the role is no superuser, kUnsupported if the server has no pg_ark library.
    explicit RunAs(Connection &connection);

    // Runs `sql` as `role`, the owner of the tables it names; returns the rows it changed.
    std::uint64_t Execute(std::uint64_t role, std::string_view sql);
    // A FROM item: what the read-only query `sql` gives, with the column list `columns` ("a int, b text"). For the owner
    // of a table FORCE ROW LEVEL SECURITY does not count; a caller sees what row security shows to it.
    static std::string SelectAsOwner(std::uint64_t owner, std::string_view sql, std::string_view columns);
    static std::string SelectAsCaller(std::uint64_t caller, std::string_view sql, std::string_view columns);

private:
    Connection &connection_;
};

}    // namespace ark
