// What a COPY reader does when rows come in pieces. recv(2) below takes the place of the C library's in this test program,
// as libpq calls it.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "server/connection.h"
#include "support/private_postgres.h"

namespace ark::test {
namespace {

std::atomic<std::size_t> most_at_once{0};    // bytes a call; 0: as many as are asked for

}    // namespace
}    // namespace ark::test

extern "C" ssize_t recv(int fd, void *to, std::size_t size, int flags) {
    if (std::size_t most = ark::test::most_at_once; most > 0 && size > most) size = most;
    return syscall(SYS_recvfrom, fd, to, size, flags, nullptr, nullptr);
}

namespace ark::test {
namespace {

using namespace std::chrono_literals;

class DeadlineTicker : public Ticker {
public:
    bool Cancelled() override { return std::chrono::steady_clock::now() > deadline_; }

private:
    std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::now() + 60s;
};

// Everything is in the socket when reading begins, so that no later arrival wakes a reader that waits when it should look.
// Rows of many lengths end in the first, the second, … piece after a look that found nothing whole.
TEST(CopyOutStream, ReadsRowsThatComeInPiecesToTheEnd) {
    DeadlineTicker ticker;
    Connection connection(PrivatePostgres::Shared().Conninfo(), "", "copy stream test", ticker, SilentLog());
    for (std::size_t length : {1, 900, 2'000, 3'000, 5'000, 9'000, 20'000, 33'000}) {
        for (std::size_t piece : {700, 1'100, 4'096, 9'000}) {
            std::string copy = "COPY (SELECT repeat('x', " + std::to_string(length) + ")) TO STDOUT";
            auto stream = connection.BeginCopyOut(copy + "; " + copy);
            std::this_thread::sleep_for(20ms);
            most_at_once = piece;
            std::string rows;
            Bytes block(4096);
            for (int copies = 0; copies < 2; copies++) {
                ASSERT_TRUE(stream.NextCopy()) << length;
                while (std::size_t n = stream.Read(block)) rows += AsText(ByteView(block).first(n));
            }
            EXPECT_FALSE(stream.NextCopy());
            most_at_once = 0;
            std::string row = std::string(length, 'x') + "\n";
            ASSERT_EQ(rows, row + row) << length << " bytes in pieces of " << piece;
        }
    }
}

// The second COPY fails; the first one's rows and end are its own.
TEST(CopyOutStream, AFailureBelongsToTheCopyThatFailed) {
    Connection connection(PrivatePostgres::Shared().Conninfo(), "", "copy stream test", NeverCancelled(), SilentLog());
    Bytes block(4096);
    auto stream = connection.BeginCopyOut(
        "COPY (SELECT 1) TO STDOUT; COPY (SELECT 1 / (3 - g) FROM generate_series(1, 5) g) TO STDOUT; COPY (SELECT 2) "
        "TO STDOUT");
    ASSERT_TRUE(stream.NextCopy());
    while (stream.Read(block) > 0) {}
    ASSERT_TRUE(stream.NextCopy());
    EXPECT_THROW(while (stream.Read(block) > 0){}, Error);
}

}    // namespace
}    // namespace ark::test
