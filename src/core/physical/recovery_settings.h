// What a restored cluster is told about where its recovery ends. Pure. PostgreSQL's words and rules: "Recovery Target" in its
// documentation.
#pragma once

#include <string>
#include <string_view>

namespace ark {

struct RecoveryTarget {
    enum class Kind {
        kEnd,
        kTime,
        kLsn,
        kName,
        kXid,
        kImmediate
    };    // kImmediate: as soon as the cluster is consistent
    Kind kind = Kind::kEnd;
    std::string value;                  // of all but kEnd and kImmediate
    bool inclusive = true;              // of time, lsn and xid
    std::string timeline = "latest";    // or "current", or a number
    std::string action = "promote";     // or "pause", "shutdown"
    bool reads_ahead = true;            // false where WAL behind the target is missing: to read ahead would be to fail
};

// Throws kInvalidArgument for words that PostgreSQL would refuse when it starts.
void CheckRecoveryTarget(const RecoveryTarget &target);

// Lines for postgresql.auto.conf, which win over what the cluster's own postgresql.conf says, also of another target: each is set to nothing
// first. (Before PostgreSQL 16 one that is set to nothing behind the target would count as a second one.)
std::string RecoverySettings(const RecoveryTarget &target, const std::string &restore_command);

// A postgresql.auto.conf without what an earlier recovery was told.
std::string WithoutRecoverySettings(std::string_view conf);

std::string ShellWord(const std::string &text);    // for sh, in single quotes where needed
std::string ConfValue(const std::string &text);    // for postgresql.conf, in quotes

}    // namespace ark
