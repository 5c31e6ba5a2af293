// The one home of PG_VERSION_NUM: what differs between PostgreSQL 15, 16, 17 and 18. Included by server.h only.
#pragma once

#if PG_VERSION_NUM < 150000
#error "pg_ark needs PostgreSQL 15 or later"
#endif

// 16 made extensions hide their symbols by default and gave PGDLLEXPORT a meaning (commit 089480c0).
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

// 16 gave archive modules a header and a state of their own, and returns the callbacks instead of filling them in (commit 35739b87);
// 17 lets check_configured_cb say why not. Our callbacks have no state: there is one archiver.
extern "C" {
#if PG_VERSION_NUM >= 160000
#include "archive/archive_module.h"
PGDLLEXPORT const ArchiveModuleCallbacks *_PG_archive_module_init(void);
#else
#include "postmaster/pgarch.h"
PGDLLEXPORT void _PG_archive_module_init(ArchiveModuleCallbacks *callbacks);
#endif
}

// Defines _PG_archive_module_init. ConfiguredFn: bool(); ArchiveFn: bool(const char *file, const char *path), which lets no
// error escape: on 15 that would end the archiver.
#if PG_VERSION_NUM >= 160000
#define ARK_ARCHIVE_MODULE(ConfiguredFn, ArchiveFn)                                                               \
    static bool ArkArchiveConfigured(ArchiveModuleState *) { return ConfiguredFn(); }                             \
    static bool ArkArchiveFile(ArchiveModuleState *, const char *file, const char *path) {                        \
        return ArchiveFn(file, path);                                                                             \
    }                                                                                                             \
    const ArchiveModuleCallbacks *_PG_archive_module_init(void) {                                                 \
        static const ArchiveModuleCallbacks callbacks = {nullptr, ArkArchiveConfigured, ArkArchiveFile, nullptr}; \
        return &callbacks;                                                                                        \
    }
#else
#define ARK_ARCHIVE_MODULE(ConfiguredFn, ArchiveFn)                   \
    void _PG_archive_module_init(ArchiveModuleCallbacks *callbacks) { \
        callbacks->check_configured_cb = ConfiguredFn;                \
        callbacks->archive_file_cb = ArchiveFn;                       \
        callbacks->shutdown_cb = nullptr;                             \
    }
#endif

namespace ark::pg {

// Why archiving is not configured, added by the server to its own warning. False: this server adds nothing.
inline bool TellWhyNotConfigured([[maybe_unused]] const char *why) {
#if PG_VERSION_NUM >= 170000
    arch_module_check_errdetail("%s", why);
    return true;
#else
    return false;
#endif
}

// 17 ties wait event sets to a resource owner instead of a memory context (commit 50c67c20).
inline WaitEventSet *MakeWaitEventSet(int events) {
#if PG_VERSION_NUM >= 170000
    return CreateWaitEventSet(nullptr, events);
#else
    return CreateWaitEventSet(TopMemoryContext, events);
#endif
}

}    // namespace ark::pg
