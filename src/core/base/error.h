// The one exception of the core, and its few codes. A code exists because some caller acts
// differently on it: kUnavailable is retried, kNotFound and kAlreadyExists are decided about,
// kCancelled ends quietly; the rest end the job.
//
// message: what could not be done to what; lower case, no full stop, names quoted.
// detail:  the evidence (status, request id, attempts, the server's words).
// hint:    the next action of the person who reads it.
// None of them ever carries a secret or a signed URL.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace ark {

enum class Code {
    kNotFound,
    kAlreadyExists,
    kInvalidArgument,
    kPermissionDenied,
    kUnavailable,
    kCorrupt,
    kCancelled,
    kUnsupported,
    kConflict,    // the world changed under a plan, or another writer owns the place
    kInternal,
};

// "not_found", "unavailable", ...: the spelling used on the wire between engine and extension.
std::string_view CodeName(Code code);
Code CodeFromName(std::string_view name);    // kInternal for a name that is not known

// The SQLSTATE a code stands for where the thrower named none, e.g. "58030" for kUnavailable.
std::string_view DefaultSqlstate(Code code);

class Error : public std::exception {
public:
    Error(Code what_kind, std::string what_failed, std::string evidence = {}, std::string next_step = {})
        : code(what_kind), message(std::move(what_failed)), detail(std::move(evidence)), hint(std::move(next_step)) {}

    Error &WithSqlstate(std::string_view state) {
        sqlstate = state;
        return *this;
    }
    Error &WithHint(std::string text) {
        hint = std::move(text);
        return *this;
    }
    Error &WithDetail(std::string text) {
        detail = std::move(text);
        return *this;
    }
    // Puts `context` before the message, "context: message"; used once, at a layer's edge.
    Error &InContext(std::string_view context);

    std::string_view Sqlstate() const { return sqlstate.empty() ? DefaultSqlstate(code) : std::string_view(sqlstate); }
    const char *what() const noexcept override { return message.c_str(); }

    Code code;
    std::string message;
    std::string detail;
    std::string hint;
    std::string sqlstate;    // empty: the default of the code
};

}    // namespace ark
