// What output functions read from the latest catalog, whatever the snapshot: enum labels, composites' attributes, the
// names and columns of tables. Two fingerprints that differ mean that the text of rows read between may be mixed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "logical/relations.h"

namespace ark {

using Fingerprint = std::map<std::string, std::string>;    // what (for people) -> digest

// `latest` must be outside any transaction, so that it sees what is committed.
Fingerprint ReadFingerprint(Connection &latest, const ExportScope &scope);
std::vector<std::string> Differences(const Fingerprint &before, const Fingerprint &after);

}    // namespace ark
