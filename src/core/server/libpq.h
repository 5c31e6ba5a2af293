// libpq, loaded with the first connection (base/dynamic_library.h). Call pq->PQstatus(connection).
#pragma once

#include <libpq-fe.h>

#include "base/dynamic_library.h"

namespace ark {

#define ARK_LIBPQ_FUNCTIONS(FUNCTION) \
    FUNCTION(PQbackendPID)            \
    FUNCTION(PQcancel)                \
    FUNCTION(PQclear)                 \
    FUNCTION(PQcmdTuples)             \
    FUNCTION(PQconnectPoll)           \
    FUNCTION(PQconnectStartParams)    \
    FUNCTION(PQconninfo)              \
    FUNCTION(PQconninfoFree)          \
    FUNCTION(PQconninfoParse)         \
    FUNCTION(PQconsumeInput)          \
    FUNCTION(PQdb)                    \
    FUNCTION(PQerrorMessage)          \
    FUNCTION(PQfinish)                \
    FUNCTION(PQflush)                 \
    FUNCTION(PQfreeCancel)            \
    FUNCTION(PQfreemem)               \
    FUNCTION(PQgetCancel)             \
    FUNCTION(PQgetCopyData)           \
    FUNCTION(PQgetResult)             \
    FUNCTION(PQgetisnull)             \
    FUNCTION(PQgetlength)             \
    FUNCTION(PQgetlineAsync)          \
    FUNCTION(PQgetvalue)              \
    FUNCTION(PQhost)                  \
    FUNCTION(PQisBusy)                \
    FUNCTION(PQntuples)               \
    FUNCTION(PQparameterStatus)       \
    FUNCTION(PQpass)                  \
    FUNCTION(PQport)                  \
    FUNCTION(PQputCopyData)           \
    FUNCTION(PQputCopyEnd)            \
    FUNCTION(PQresultErrorField)      \
    FUNCTION(PQresultStatus)          \
    FUNCTION(PQsendQuery)             \
    FUNCTION(PQsendQueryParams)       \
    FUNCTION(PQserverVersion)         \
    FUNCTION(PQsetErrorVerbosity)     \
    FUNCTION(PQsetNoticeReceiver)     \
    FUNCTION(PQsetnonblocking)        \
    FUNCTION(PQsocket)                \
    FUNCTION(PQstatus)                \
    FUNCTION(PQuser)

struct LibpqFunctions {
#define ARK_DECLARE(name) decltype(&::name) name;
    ARK_LIBPQ_FUNCTIONS(ARK_DECLARE)
#undef ARK_DECLARE
};

struct Libpq {
    // Throws kUnsupported where it is not there.
    const LibpqFunctions *operator->() const;
};
inline constexpr Libpq pq;

}    // namespace ark
