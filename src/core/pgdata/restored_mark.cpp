#include "pgdata/restored_mark.h"

#include "base/file.h"

namespace ark {

void WriteRestoredMark(const std::filesystem::path &data_directory, Random &random) {
    WriteFileAtomically(data_directory / kRestoredMark,
                        AsBytes("This directory was recovered from an archive: it takes over no cluster's path in a "
                                "store by itself.\n" +
                                random.Hex(16) + "\n"));
}

bool HasRestoredMark(const std::filesystem::path &data_directory) {
    return std::filesystem::exists(data_directory / kRestoredMark);
}

}    // namespace ark
