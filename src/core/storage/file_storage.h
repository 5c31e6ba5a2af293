// Objects as files below a directory: temporary file under .tmp/ in the same file system, fsync, link(2) (create only)
// or rename (replace), fsync of the directory, and of those above that may not be durable yet. A process that is killed leaves at most a file in .tmp/, which
// SweepUploads removes. Folders are 0700, files 0600. The root is created by the first Put; its parent must exist.
// Read-ahead apart, memory per call is one block of 1 MiB.
#pragma once

#include "storage/storage.h"

namespace ark {

// Owner, rights and free space of the directory, and whether it is there.
std::vector<Finding> InspectDirectory(const std::string &root);

StoragePtr MakeFileStorage(std::string root, Ticker &ticker = NeverCancelled());

}    // namespace ark
