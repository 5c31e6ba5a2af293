// Compares every unit of a base backup with its digest while the backup is decoded, and asks whether each file is whole.
#pragma once

#include <memory>

#include "repo/verify.h"

namespace ark {

// `key` is that of the backup's domain and generation.
std::unique_ptr<EntryVerifier> MakeFileVerifier(DomainKey key);

}    // namespace ark
