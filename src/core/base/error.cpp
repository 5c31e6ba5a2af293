#include "base/error.h"

#include <array>

namespace ark {
namespace {

struct CodeRow {
    Code code;
    std::string_view name;
    std::string_view sqlstate;
};

// SQLSTATE classes: PostgreSQL documentation, appendix A.
constexpr std::array<CodeRow, 10> kCodes{{
    {Code::kNotFound, "not_found", "42704"},
    {Code::kAlreadyExists, "already_exists", "42710"},
    {Code::kInvalidArgument, "invalid_argument", "22023"},
    {Code::kPermissionDenied, "permission_denied", "42501"},
    {Code::kUnavailable, "unavailable", "58030"},
    {Code::kCorrupt, "corrupt", "XX001"},
    {Code::kCancelled, "cancelled", "57014"},
    {Code::kUnsupported, "unsupported", "0A000"},
    {Code::kConflict, "conflict", "55000"},
    {Code::kInternal, "internal", "XX000"},
}};

}    // namespace

std::string_view CodeName(Code code) {
    for (const CodeRow &row : kCodes)
        if (row.code == code) return row.name;
    return "internal";
}

Code CodeFromName(std::string_view name) {
    for (const CodeRow &row : kCodes)
        if (row.name == name) return row.code;
    return Code::kInternal;
}

std::string_view DefaultSqlstate(Code code) {
    for (const CodeRow &row : kCodes)
        if (row.code == code) return row.sqlstate;
    return "XX000";
}

Error &Error::InContext(std::string_view context) {
    message = std::string(context) + ": " + message;
    return *this;
}

}    // namespace ark
