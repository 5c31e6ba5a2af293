// Proving a backup from the store. Each level includes the ones before it.
//   exists    every pack it needs is there, with the size its list says
//   checksum  every pack is read whole: SHA-256 of the object and of every frame as its footer says; needs no key
//   decode    every frame the tree names is decrypted, decompressed and its digest compared; entries are in order,
//             counts of rows and bytes agree with the totals
// A bad frame is recorded under quarantine/, so that the next backup stores that data afresh.
#pragma once

#include "base/cancel.h"
#include "base/log.h"
#include "repo/catalog.h"

namespace ark {

enum class VerifyLevel { kExists, kChecksum, kDecode };
VerifyLevel ParseVerifyLevel(std::string_view text);
std::string_view VerifyLevelName(VerifyLevel level);

struct VerifyResult {
    bool ok = true;
    std::vector<std::string> problems;    // for people; at most 100, then a count
    std::uint64_t packs = 0, frames = 0, rows = 0, bytes_read = 0;
};

// Looks at plain frames of one entry while they are decoded (rows of a table are counted and digested by the logical layer).
// EntryDone returns a problem or an empty text; it is also asked about an entry with frames that could not be read, whose
// answer does not count.
class EntryVerifier {
public:
    virtual ~EntryVerifier() = default;
    virtual void Frame(const Json &entry, const FrameRef &ref, ByteView plain) = 0;
    virtual std::string EntryDone(const Json &entry) = 0;
};

VerifyResult VerifyBackup(Repository &repository, std::shared_ptr<KeyRing> keys, const BackupSummary &backup,
                          VerifyLevel level, EntryVerifier *verifier, Ticker &ticker, Log &log);

}    // namespace ark
