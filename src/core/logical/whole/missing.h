// What a backup's definitions need of a server and it has not got.
#pragma once

#include "logical/restore_database.h"
#include "logical/whole/dump_contents.h"

namespace ark {

MissingOnServer FindMissing(Connection &connection, const DumpContents &contents,
                            const DatabaseRestoreRequest &request);
[[noreturn]] void ThrowMissing(const MissingOnServer &missing);    // kNotFound

}    // namespace ark
