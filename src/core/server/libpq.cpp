#include "server/libpq.h"

namespace ark {

const LibpqFunctions *Libpq::operator->() const {
    static const LibpqFunctions functions = [] {
        const DynamicLibrary library("libpq.so.5");
        LibpqFunctions found;
#define ARK_FIND(name) library.Find(found.name, #name);
        ARK_LIBPQ_FUNCTIONS(ARK_FIND)
#undef ARK_FIND
        return found;
    }();
    return &functions;
}

}    // namespace ark
