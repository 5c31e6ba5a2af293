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

namespace ark::pg {

// 17 ties wait event sets to a resource owner instead of a memory context (commit 50c67c20).
inline WaitEventSet *MakeWaitEventSet(int events) {
#if PG_VERSION_NUM >= 170000
    return CreateWaitEventSet(nullptr, events);
#else
    return CreateWaitEventSet(TopMemoryContext, events);
#endif
}

}    // namespace ark::pg
