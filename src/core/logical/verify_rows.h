// Counts rows and compares the order-independent digest of every table while a backup is decoded.
#pragma once

#include <memory>

#include "repo/verify.h"

namespace ark {

std::unique_ptr<EntryVerifier> MakeRowVerifier();

}    // namespace ark
