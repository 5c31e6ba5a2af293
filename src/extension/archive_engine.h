// The engine that archives (`wal-push --serve`), as the archiver sees it: started when first asked, kept as long as the settings
// stay, started again when it died. Server code: no C++ objects.
#pragma once

#include "extension/boundary.h"

namespace ark::pg {

// What became of a look at the engine.
enum class ArchiveNews { kNothing, kArchived, kNotArchived, kEnded };

struct ArchiveAnswer {
    bool was_ahead;     // kArchived
    Failure failure;    // kNotArchived; kEnded: how
};

// Makes sure that an engine runs, under the settings of this moment. Raises an error if it cannot be started.
void EnsureArchiveEngine();
// Asks for a file; a question about the same file that was not answered yet stands.
void AskArchiveEngine(const char *file, const char *path);
// Waits for what comes first: news of the engine, a wake-up of this process, or the end of that time. `woken` is set (never
// cleared) if this process's latch was: whoever waits takes that wake-up from the archiver, and owes it to him.
ArchiveNews WaitForArchiveEngine(long milliseconds, ArchiveAnswer *answer, bool *woken);
// What the engine waits for before it can answer, or "". Since when (0: it does not).
const char *ArchiveTrouble(TimestampTz *since);
// Ends it, if there is one; what it had not answered is asked again. Safe in exit callbacks.
void EndArchiveEngine();

}    // namespace ark::pg
