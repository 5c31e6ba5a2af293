// A shared library that is loaded when it is first needed. What brings many others along and is seldom needed costs a program that is started
// for every WAL segment more than all else it does. (systemd loads its libraries this way, too.)
#pragma once

#include <string>

namespace ark {

class DynamicLibrary {
public:
    // By its soname, from where the dynamic linker looks. It stays loaded. Throws kUnsupported.
    explicit DynamicLibrary(const char *soname);

    template <class Function>
    void Find(Function *&function, const char *name) const {
        function = reinterpret_cast<Function *>(Address(name));
    }

private:
    void *Address(const char *name) const;    // throws kUnsupported

    std::string soname_;
    void *handle_;
};

}    // namespace ark
