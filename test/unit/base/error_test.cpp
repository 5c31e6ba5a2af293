#include "base/error.h"

#include <gtest/gtest.h>

#include <new>
#include <set>
#include <sstream>

#include "base/cancel.h"
#include "base/secret.h"

namespace ark {
namespace {

constexpr Code kAllCodes[] = {Code::kNotFound,    Code::kAlreadyExists, Code::kInvalidArgument, Code::kPermissionDenied,
                              Code::kUnavailable, Code::kCorrupt,       Code::kCancelled,       Code::kUnsupported,
                              Code::kConflict,    Code::kInternal};

TEST(ErrorTest, EveryCodeHasANameAndAStateOfItsOwn) {
    std::set<std::string_view> names, states;
    for (Code code : kAllCodes) {
        EXPECT_EQ(CodeFromName(CodeName(code)), code);
        EXPECT_EQ(DefaultSqlstate(code).size(), 5u);
        names.insert(CodeName(code));
        states.insert(DefaultSqlstate(code));
    }
    EXPECT_EQ(names.size(), std::size(kAllCodes));
    EXPECT_EQ(states.size(), std::size(kAllCodes));
    EXPECT_EQ(CodeName(Code::kUnavailable), "unavailable");
    EXPECT_EQ(DefaultSqlstate(Code::kUnavailable), "58030");
    EXPECT_EQ(CodeFromName("never heard of"), Code::kInternal);
}

TEST(ErrorTest, CarriesWhatItWasGiven) {
    Error error =
        Error(Code::kCorrupt, "could not read \"x\"", "digest differs").WithHint("verify").WithSqlstate("XX002");
    EXPECT_STREQ(error.InContext("backup 7").what(), "backup 7: could not read \"x\"");
    EXPECT_EQ(error.detail, "digest differs");
    EXPECT_EQ(error.hint, "verify");
    EXPECT_EQ(error.Sqlstate(), "XX002");
    EXPECT_EQ(Error(Code::kCorrupt, "x").Sqlstate(), "XX001");
}

TEST(TickerTest, ChecksThrowOnceCancelled) {
    FlagTicker ticker;
    EXPECT_NO_THROW(ticker.Check());
    ticker.Cancel();
    try {
        ticker.Check();
        ADD_FAILURE() << "no error";
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kCancelled);
    }
    EXPECT_FALSE(NeverCancelled().Cancelled());
}

TEST(TickerTest, CannotBeCancelledOnceItIsClosed) {
    FlagTicker ticker;
    ticker.Close();
    ticker.Cancel();
    EXPECT_FALSE(ticker.Cancelled());
    FlagTicker cancelled;
    cancelled.Cancel();
    cancelled.Close();    // it was in time
    EXPECT_TRUE(cancelled.Cancelled());
}

TEST(SecretTest, PrintsAsStars) {
    Secret secret("hunter2");
    std::ostringstream out;
    out << secret;
    EXPECT_EQ(out.str(), "***");
    EXPECT_EQ(secret.Reveal(), "hunter2");
}

TEST(SecretTest, CopiesMovesAndAssignments) {
    std::string long_text(100, 'k');
    Secret a(long_text), b("short"), copy = a, moved = std::move(b);
    EXPECT_EQ(copy.Reveal(), long_text);
    EXPECT_EQ(moved.Reveal(), "short");
    a = moved;
    EXPECT_EQ(a.Reveal(), "short");
    moved = std::move(copy);
    EXPECT_EQ(moved.Reveal(), long_text);
    EXPECT_TRUE(Secret().empty());
}

// The bytes of a short secret lie in the object itself, so its memory can be looked at after the end.
TEST(SecretTest, IsWipedAtItsEndAndAfterAMove) {
    alignas(Secret) unsigned char memory[sizeof(Secret)];
    auto holds = [&] {
        return std::string_view(reinterpret_cast<char *>(memory), sizeof(memory)).find("hunter2") !=
               std::string_view::npos;
    };
    auto *secret = new (memory) Secret("hunter2");
    ASSERT_TRUE(holds());
    Secret taken = std::move(*secret);
    secret->~Secret();
    EXPECT_FALSE(holds());
    secret = new (memory) Secret("hunter2");
    secret->~Secret();
    EXPECT_FALSE(holds());
}

}    // namespace
}    // namespace ark
