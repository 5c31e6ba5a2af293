#include "base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "base/error.h"
#include "base/random.h"
#include "support/temporary_directory.h"

namespace ark::test {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

Error ErrorOf(const std::function<void()> &act) {
    try {
        act();
    } catch (const Error &error) {
        return error;
    }
    ADD_FAILURE() << "no error";
    return Error(Code::kInternal, "");
}

class FileTest : public ::testing::Test {
protected:
    std::size_t Entries() {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(directory_.path()), fs::directory_iterator{}));
    }

    TemporaryDirectory directory_;
    fs::path path_ = directory_.path() / "file";
};

TEST_F(FileTest, ErrnoBecomesACode) {
    const std::pair<int, Code> cases[] = {
        {ENOENT, Code::kNotFound},        {EEXIST, Code::kAlreadyExists},   {EACCES, Code::kPermissionDenied},
        {EPERM, Code::kPermissionDenied}, {EROFS, Code::kPermissionDenied}, {EIO, Code::kUnavailable},
        {ENOSPC, Code::kUnavailable},     {EDQUOT, Code::kUnavailable},     {ESTALE, Code::kUnavailable}};
    for (auto [number, code] : cases) {
        Error error = ErrorOf([number = number] { ThrowErrno(number, "could not do it"); });
        EXPECT_EQ(error.code, code);
        EXPECT_THAT(error.message, HasSubstr("could not do it"));
        EXPECT_FALSE(error.detail.empty());
    }
    Error full = ErrorOf([] { ThrowErrno(ENOSPC, "could not write \"x\""); });
    EXPECT_EQ(full.Sqlstate(), "53100");
    EXPECT_EQ(full.message, "could not write \"x\": disk full");
    EXPECT_FALSE(full.hint.empty());
}

TEST_F(FileTest, OpenReadWrite) {
    Error error = ErrorOf([&] { OpenFile(path_, O_RDONLY); });
    EXPECT_EQ(error.code, Code::kNotFound);
    EXPECT_THAT(error.message, HasSubstr(path_.string()));
    {
        Fd fd = OpenFile(path_, O_WRONLY | O_CREAT | O_EXCL);
        EXPECT_NE(fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
        WriteAll(fd.get(), AsBytes("some bytes"), "file");
        SyncFile(fd.get(), "file");
    }
    EXPECT_EQ(ErrorOf([&] { OpenFile(path_, O_WRONLY | O_CREAT | O_EXCL); }).code, Code::kAlreadyExists);
    EXPECT_EQ(ReadWholeFile(path_), "some bytes");
    EXPECT_EQ(ReadWholeFile(path_, 10), "some bytes");
    EXPECT_EQ(ErrorOf([&] { ReadWholeFile(path_, 9); }).code, Code::kInvalidArgument);
    Fd read_only = OpenFile(path_, O_RDONLY);
    EXPECT_THAT(ErrorOf([&] { WriteAll(read_only.get(), AsBytes("x"), "the file"); }).message,
                HasSubstr("\"the file\""));
}

TEST_F(FileTest, DescriptorsCloseThemselvesOnce) {
    int raw = OpenFile("/dev/null", O_RDONLY).Release();
    EXPECT_NE(fcntl(raw, F_GETFD), -1);
    Fd first(raw), second = std::move(first);
    EXPECT_FALSE(first);
    first = std::move(second);
    EXPECT_EQ(first.get(), raw);
    first.Reset();
    EXPECT_FALSE(first);
    EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

TEST_F(FileTest, AtomicWriteReplacesWhole) {
    WriteFileAtomically(path_, AsBytes("old content"));
    struct stat info {};
    ASSERT_EQ(stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u);
    WriteFileAtomically(path_, AsBytes("new"), 0640);
    EXPECT_EQ(ReadWholeFile(path_), "new");
    ASSERT_EQ(stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0640u);
    EXPECT_EQ(Entries(), 1u);
}

TEST_F(FileTest, AtomicWriteThatFailsLeavesTheOldAndNothingElse) {
    fs::create_directory(path_);    // a rename over a directory fails, after all has been written beside it
    EXPECT_THAT(ErrorOf([&] { WriteFileAtomically(path_, AsBytes("x")); }).message, HasSubstr("could not rename"));
    EXPECT_TRUE(fs::is_directory(path_));
    EXPECT_EQ(Entries(), 1u);
    EXPECT_EQ(ErrorOf([&] { WriteFileAtomically(directory_.path() / "missing/file", AsBytes("x")); }).code,
              Code::kNotFound);
}

TEST_F(FileTest, AtomicWriteUnderAFileSizeLimit) {
    WriteFileAtomically(path_, AsBytes("old"));
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {    // a write that stops in the middle, as on a full disk
        signal(SIGXFSZ, SIG_IGN);
        rlimit limit{100'000, 100'000};
        setrlimit(RLIMIT_FSIZE, &limit);
        try {
            WriteFileAtomically(path_, Bytes(1'000'000));
        } catch (const Error &error) {
            _exit(error.detail == "File too large" ? 7 : 8);
        }
        _exit(9);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 7);
    EXPECT_EQ(ReadWholeFile(path_), "old");
    EXPECT_EQ(Entries(), 1u);
}

TEST_F(FileTest, KilledAtAnyMomentAFileIsOldOrNew) {
    std::string old_text(300'000, 'o'), new_text(400'000, 'n');
    SeededRandom random(4);
    WriteFileAtomically(path_, AsBytes(old_text));
    for (int round = 0; round < 40; round++) {
        pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0)
            for (;;) {
                WriteFileAtomically(path_, AsBytes(old_text));
                WriteFileAtomically(path_, AsBytes(new_text));
            }
        std::this_thread::sleep_for(std::chrono::microseconds(2'000 + random.Below(20'000)));
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        std::string found = ReadWholeFile(path_);
        ASSERT_TRUE(found == old_text || found == new_text) << found.size();
    }
}

}    // namespace
}    // namespace ark::test
