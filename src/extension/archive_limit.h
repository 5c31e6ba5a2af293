// ark.archive_backlog_limit: whether the archiver may give up WAL that cannot be archived, and how that is written down. Server code.
#pragma once

#include "extension/boundary.h"

namespace ark::pg {

// More WAL waits than the setting allows. False without a limit.
bool IsOverBacklogLimit();
// Whether WAL may be given up after such a failure: not where the store refuses this server or this file.
bool MayGiveUpAfter(const Failure &failure);
// Written down durably on return, and told; raises an error if that cannot be. True: a gap begins.
bool GiveUpWal(const char *file, const Failure &why);

}    // namespace ark::pg
