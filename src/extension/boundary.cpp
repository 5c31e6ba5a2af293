#include "extension/boundary.h"

#include "base/error.h"

namespace ark::pg {

void CopyText(char *to, std::size_t size, std::string_view from) noexcept {
    std::size_t length = std::min(from.size(), size - 1);
    // UTF-8: never end inside a character. Other encodings reach this as ASCII.
    if (length < from.size())
        while (length > 0 && (static_cast<unsigned char>(from[length]) & 0xC0) == 0x80) length--;
    std::memcpy(to, from.data(), length);
    to[length] = '\0';
}

void Capture(Failure *out) noexcept {
    *out = {};
    out->sqlstate = ERRCODE_INTERNAL_ERROR;
    try {
        throw;
    } catch (const Error &error) {
        std::string_view state = error.Sqlstate();
        if (state.size() == 5) out->sqlstate = MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
        CopyText(out->message, sizeof out->message, error.message);
        CopyText(out->detail, sizeof out->detail, error.detail);
        CopyText(out->hint, sizeof out->hint, error.hint);
    } catch (const std::bad_alloc &) {
        out->sqlstate = ERRCODE_OUT_OF_MEMORY;
        CopyText(out->message, sizeof out->message, "out of memory");
    } catch (const std::exception &error) {
        CopyText(out->message, sizeof out->message, error.what());
    } catch (...) {
        CopyText(out->message, sizeof out->message, "an exception of an unknown type reached the server");
    }
}

void Raise(const Failure &failure) {
    CHECK_FOR_INTERRUPTS();
    ereport(ERROR, (errcode(failure.sqlstate), errmsg_internal("%s", failure.message),
                    failure.detail[0] ? errdetail_internal("%s", failure.detail) : 0,
                    failure.hint[0] ? errhint("%s", failure.hint) : 0));
    pg_unreachable();
}

char *PallocText(std::string_view text) {
    auto *copy = static_cast<char *>(palloc_extended(text.size() + 1, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE));
    if (!copy) throw std::bad_alloc();
    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    return copy;
}

}    // namespace ark::pg
