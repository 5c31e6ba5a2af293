// What a backup that is still being taken has stored so far, told to the store now and then, so that the next one can go on from
// there if this one dies. docs/repository-format.md, "Checkpoints".
#pragma once

#include <string>
#include <vector>

#include "repo/keys.h"
#include "repo/pack_writer.h"

namespace ark {

struct Checkpoint {
    Json facts = Json::object();    // what the kind of backup says of itself up to there
    std::vector<PackInfo>
        packs;              // whole ones that its entries lie in, but for those of earlier checkpoints and of the bases
    std::string entries;    // lines of a tree, ascending by path, all behind those of earlier checkpoints
};

// The whole object. A number is used once: what is sealed twice under one name must be the same bytes.
Bytes FormatCheckpoint(const Repository &repository, const BackupId &backup, std::uint64_t number,
                       const Checkpoint &checkpoint, const DomainKey &key);
// Throws kNotFound if there is none, kCorrupt if it is damaged or not under that key.
Checkpoint ReadCheckpoint(const Repository &repository, const BackupId &backup, std::uint64_t number,
                          const DomainKey &key);

}    // namespace ark
