// What the connection's role cannot read of an export's scope: found before the export, and named.
#pragma once

#include "logical/relations.h"

namespace ark {

// Throws kPermissionDenied with the tables, sequences and large objects that cannot be read, and the tables whose row security
// would hide rows; the hint is the statements that would help. Nothing is ever left out in silence.
void CheckReadable(Connection &connection, const ExportScope &scope);

}    // namespace ark
