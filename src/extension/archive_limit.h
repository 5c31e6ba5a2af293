// ark.archive_backlog_limit: whether the archiver may give up WAL that cannot be archived, and how that is written down. Server code.
#pragma once

#include "extension/boundary.h"

namespace ark::pg {

// More WAL waits than the setting allows, and this server may give it up: no store has refused it, and it is no copy. False without a
// limit.
bool IsOverBacklogLimit();
// How long archiving must have failed.
int BacklogPatienceMs();
// Whether WAL may be given up after such a failure: not where the store refuses this server or this file.
bool MayGiveUpAfter(const Failure &failure);
// Written down durably on return, and told; raises an error if that cannot be. True: a gap begins.
bool GiveUpWal(const char *file, const Failure &why);

}    // namespace ark::pg
