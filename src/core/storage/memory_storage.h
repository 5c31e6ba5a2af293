// Objects in memory, for tests. The clock stands for the store's own.
#pragma once

#include "storage/storage.h"

namespace ark {

StoragePtr MakeMemoryStorage(Clock &clock = SystemClock(), Ticker &ticker = NeverCancelled());

// The one store of this process with that name, made on first use; each call may bring its own ticker.
StoragePtr OpenMemoryStorage(const std::string &name, Ticker &ticker);

}    // namespace ark
