#include "base/dynamic_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "base/error.h"

namespace ark {
namespace {

std::string Reason() {
    const char *reason = dlerror();
    return reason ? reason : "";
}

}    // namespace

DynamicLibrary::DynamicLibrary(const char *soname)
    : soname_(soname), handle_(dlopen(soname, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE)) {
    if (handle_ == nullptr)
        throw Error(Code::kUnsupported, fmt::format("could not load the library \"{}\"", soname), Reason(),
                    "Install it: on Debian libcurl4 for S3 stores, libpq5 for connections to a server.");
}

void *DynamicLibrary::Address(const char *name) const {
    void *address = dlsym(handle_, name);
    if (address == nullptr)
        throw Error(Code::kUnsupported, fmt::format("the library \"{}\" has no function {}", soname_, name), Reason(),
                    "It is older than the one that pg_ark was built with; update it.");
    return address;
}

}    // namespace ark
