// What is particular to the directory store: durability, rights, links, odd files, leftovers.
#include "storage/file_storage.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "storage/file_names.h"
#include "support/pattern_source.h"
#include "support/temporary_directory.h"
#include "system_call_faults.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class FileStorageTest : public ::testing::Test {
protected:
    Error ErrorOf(const std::function<void()> &act) {
        try {
            act();
        } catch (const Error &error) {
            return error;
        }
        ADD_FAILURE() << "no error";
        return Error(Code::kInternal, "");
    }
    void Put(std::string_view name, std::string_view text = "text") {
        MemorySource source(text);
        storage_->Put(name, source, PutMode::kCreate);
    }
    std::vector<std::string> Names() {
        std::vector<std::string> names;
        storage_->List("", [&](const ObjectInfo &object) {
            names.push_back(object.name);
            return true;
        });
        return names;
    }
    unsigned ModeOf(const fs::path &path) {
        struct stat info {};
        EXPECT_EQ(stat(path.c_str(), &info), 0);
        return info.st_mode & 07777;
    }
    std::size_t TemporaryFiles() {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(root_ / ".tmp"), fs::directory_iterator{}));
    }

    TemporaryDirectory directory_;
    fs::path root_ = directory_.path() / "store";
    StoragePtr storage_ = MakeFileStorage(root_.string());
};

TEST_F(FileStorageTest, AMissingRootIsNotAnEmptyStore) {
    for (const std::function<void()> &act : std::vector<std::function<void()>>{
             [&] { storage_->Stat("x"); }, [&] { storage_->Open("x", {}); }, [&] { storage_->Remove({"x"}); },
             [&] { Names(); }, [&] { storage_->SweepUploads(0s); }}) {
        Error error = ErrorOf(act);
        EXPECT_EQ(error.code, Code::kNotFound);
        EXPECT_THAT(error.message, HasSubstr(root_.string()));
        EXPECT_THAT(error.hint, HasSubstr("the first backup makes it"));
        EXPECT_FALSE(fs::exists(root_));
    }
    StoragePtr deep = MakeFileStorage((directory_.path() / "missing/store").string());
    EXPECT_FALSE(deep->CanBeMade());
    Error error = ErrorOf([&] { PutNew(*deep, "x", {}); });
    EXPECT_EQ(error.code, Code::kNotFound);    // its parent is not ours to make
    EXPECT_THAT(error.hint, HasSubstr("install -d"));
    EXPECT_FALSE(fs::exists(directory_.path() / "missing"));
}

TEST_F(FileStorageTest, TheFirstPutMakesTheRootForItsOwnerAlone) {
    EXPECT_TRUE(storage_->CanBeMade());
    Put("first");
    EXPECT_EQ(fs::status(root_).permissions(), fs::perms::owner_all);
    EXPECT_FALSE(storage_->CanBeMade());
    fs::remove_all(root_);
    EXPECT_FALSE(storage_->CanBeMade());    // it was there: whoever took it away may bring it back
    EXPECT_EQ(ErrorOf([&] { Put("second"); }).code, Code::kNotFound);
    EXPECT_FALSE(fs::exists(root_));
}

TEST_F(FileStorageTest, ARootThatDisappearsOrIsAnotherDirectoryIsNotWrittenTo) {
    Put("before");
    fs::rename(root_, directory_.path() / "away");
    EXPECT_EQ(ErrorOf([&] { Put("after"); }).code, Code::kNotFound);
    EXPECT_FALSE(fs::exists(root_));
    fs::create_directory(root_);    // as an empty mount point
    Error error = ErrorOf([&] { Put("after"); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_THAT(error.hint, HasSubstr("Mount it again"));
    EXPECT_TRUE(fs::is_empty(root_));
    fs::remove(root_);
    fs::rename(directory_.path() / "away", root_);
    Put("after");
    EXPECT_EQ(Names().size(), 2u);
}

TEST_F(FileStorageTest, ModesAndReadableNames) {
    Put("packs/20260116T080000Z-0123abcd/manifest.json");
    fs::path file = root_ / "packs/20260116T080000Z-0123abcd/manifest.json";
    EXPECT_EQ(ReadWholeFile(file), "text");
    EXPECT_EQ(ModeOf(file), 0600u);
    for (fs::path folder = file.parent_path(); folder != directory_.path(); folder = folder.parent_path())
        EXPECT_EQ(ModeOf(folder), 0700u);
    EXPECT_EQ(ModeOf(root_ / ".tmp"), 0700u);
    EXPECT_EQ(TemporaryFiles(), 0u);
}

TEST_F(FileStorageTest, RemovalTakesEmptyFoldersWithIt) {
    Put("a/b/c/1");
    Put("a/b/2");
    storage_->Remove({"a/b/c/1"});
    EXPECT_FALSE(fs::exists(root_ / "a/b/c"));
    EXPECT_TRUE(fs::exists(root_ / "a/b/2"));
    storage_->Remove({"a/b/2"});
    EXPECT_FALSE(fs::exists(root_ / "a"));
    EXPECT_TRUE(fs::exists(root_));
}

TEST_F(FileStorageTest, AnObjectAndAFolderOfOneNameExcludeEachOther) {
    Put("a/b");
    EXPECT_EQ(ErrorOf([&] { Put("a"); }).code, Code::kUnsupported);
    EXPECT_EQ(ErrorOf([&] { Put("a/b/c"); }).code, Code::kUnsupported);
    MemorySource source(std::string_view("x"));
    EXPECT_EQ(ErrorOf([&] { storage_->Put("a", source, PutMode::kUnconditional); }).code, Code::kUnsupported);
    EXPECT_EQ(storage_->Stat("a"), std::nullopt);
    EXPECT_EQ(storage_->Open("a", {}), nullptr);
    EXPECT_EQ(storage_->Open("a/b/c", {}), nullptr);
    EXPECT_EQ(Names(), std::vector<std::string>{"a/b"});
    EXPECT_EQ(TemporaryFiles(), 0u);
}

TEST_F(FileStorageTest, SymbolicLinksBelowTheRootAreNotFollowed) {
    Put("real/x");
    fs::create_directory(directory_.path() / "outside");
    std::ofstream(directory_.path() / "outside/secret") << "secret";
    fs::create_directory_symlink(directory_.path() / "outside", root_ / "out");
    fs::create_symlink(directory_.path() / "outside/secret", root_ / "real/link");
    MemorySource source(std::string_view("x"));
    for (const std::function<void()> &act : std::vector<std::function<void()>>{
             [&] { storage_->Open("out/secret", {}); }, [&] { storage_->Stat("out/secret"); },
             [&] { storage_->Remove({"out/secret"}); }, [&] { Put("out/new"); },
             [&] { storage_->Open("real/link", {}); }, [&] { storage_->Stat("real/link"); },
             [&] { storage_->Put("out/secret", source, PutMode::kUnconditional); }, [&] { Names(); }}) {
        Error error = ErrorOf(act);
        EXPECT_EQ(error.code, Code::kUnsupported) << error.message;
        EXPECT_THAT(error.hint, HasSubstr("link"));
    }
    EXPECT_EQ(ReadWholeFile(directory_.path() / "outside/secret"), "secret");
    EXPECT_FALSE(fs::exists(directory_.path() / "outside/new"));
}

TEST_F(FileStorageTest, TheRootItselfMayBeALink) {
    fs::create_directory(directory_.path() / "real");
    fs::create_directory_symlink(directory_.path() / "real", root_);
    Put("x");
    EXPECT_TRUE(fs::exists(directory_.path() / "real/x"));
}

TEST_F(FileStorageTest, ForeignFilesStopAListing) {
    Put("x");
    fs::create_directory(root_ / "lost+found");
    std::ofstream(root_ / ".nfs0001") << "silly rename";
    EXPECT_EQ(Names(), std::vector<std::string>{"x"});
    std::ofstream(root_ / "50%") << "not ours";
    Error error = ErrorOf([&] { Names(); });
    EXPECT_EQ(error.code, Code::kUnsupported);
    EXPECT_THAT(error.message, HasSubstr("50%"));
    fs::remove(root_ / "50%");
    ASSERT_EQ(mkfifo((root_ / "pipe").c_str(), 0600), 0);
    EXPECT_EQ(ErrorOf([&] { Names(); }).code, Code::kUnsupported);
    EXPECT_EQ(ErrorOf([&] { storage_->Open("pipe", {}); }).code, Code::kUnsupported);
}

TEST_F(FileStorageTest, NamesTooLongForTheFileSystemAreAClearError) {
    Error error = ErrorOf([&] { Put(std::string(100, '%')); });
    EXPECT_EQ(error.code, Code::kUnsupported);
    EXPECT_THAT(error.hint, HasSubstr("255 bytes"));
    EXPECT_EQ(storage_->Stat(std::string(100, '%')), std::nullopt);
}

TEST_F(FileStorageTest, SweepTakesOldUploadsOnly) {
    Put("x");
    std::ofstream(root_ / ".tmp/old") << "half";
    std::ofstream(root_ / ".tmp/young") << "half";
    fs::last_write_time(root_ / ".tmp/old", fs::file_time_type::clock::now() - 25h);
    EXPECT_EQ(storage_->SweepUploads(24h), 1u);
    EXPECT_FALSE(fs::exists(root_ / ".tmp/old"));
    EXPECT_TRUE(fs::exists(root_ / ".tmp/young"));
    EXPECT_EQ(Names(), std::vector<std::string>{"x"});
}

TEST_F(FileStorageTest, RemoveTriesAllAndNamesTheFirstFailure) {
    for (std::string name : {"ok/1", "ok/2"}) Put(name);
    fs::create_directory_symlink(root_, root_ / "bad");
    Error error = ErrorOf([&] { storage_->Remove({"ok/1", "bad/1", "bad/2", "bad/3", "ok/2"}); });
    EXPECT_THAT(error.message, HasSubstr("bad"));
    EXPECT_THAT(error.detail, HasSubstr("2 other objects"));
    EXPECT_FALSE(fs::exists(root_ / "ok"));
}

// Runs `act` in a child without privileges and returns what it wrote, an error as "code|message|hint".
std::string AsNobody(const std::function<void()> &act) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0) return "pipe failed";
    pid_t child = fork();
    if (child == 0) {
        std::string out = "done";
        if (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0) _exit(1);
        try {
            act();
        } catch (const Error &error) {
            out = std::string(CodeName(error.code)) + "|" + error.message + "|" + error.hint;
        }
        _exit(write(pipe_ends[1], out.data(), out.size()) < 0);
    }
    close(pipe_ends[1]);
    std::string out(4096, '\0');
    ssize_t n = read(pipe_ends[0], out.data(), out.size());
    out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    close(pipe_ends[0]);
    waitpid(child, nullptr, 0);
    return out;
}

TEST_F(FileStorageTest, MissingRightsNameTheUserThatNeedsThem) {
    if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
    Put("dir/x");
    fs::permissions(directory_.path(),
                    fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec | fs::perms::others_read);
    for (const std::function<void()> &act :
         std::vector<std::function<void()>>{[&] { Put("y"); }, [&] { storage_->Stat("dir/x"); },
                                            [&] { storage_->Remove({"dir/x"}); }, [&] { Names(); }}) {
        std::string answer = AsNobody(act);
        EXPECT_THAT(answer, HasSubstr("permission_denied|"));
        EXPECT_THAT(answer, HasSubstr("operating system user \"nobody\""));
        EXPECT_THAT(answer, HasSubstr(root_.string()));
    }
    StoragePtr other = MakeFileStorage((directory_.path() / "other").string());
    std::string answer = AsNobody([&] { PutNew(*other, "x", {}); });
    EXPECT_THAT(answer, HasSubstr("permission_denied|could not create store directory"));
    EXPECT_THAT(answer, HasSubstr("install -d -m 0700 -o nobody"));
}

TEST_F(FileStorageTest, AFailureOfAnySystemCallLeavesNothingOrAll) {
    Put("first");
    for (PutMode mode : {PutMode::kCreate, PutMode::kUnconditional}) {
        std::set<std::string> calls;
        for (std::uint64_t nth = 1;; nth++) {
            PatternSource source(3'000'000, nth);
            std::string name = "new/folder/" + std::to_string(nth);
            SystemCallFaults faults(nth, EIO);
            try {
                storage_->Put(name, source, mode);
                EXPECT_FALSE(faults.hit()) << faults.call();
                storage_->Remove({name});
                break;
            } catch (const Error &error) {
                EXPECT_EQ(error.code, Code::kUnavailable) << faults.call();
                EXPECT_THAT(error.message, HasSubstr(root_.string()));
            }
            calls.insert(faults.call());
            // A replacement may have happened when only the sync of its folder failed; a creation must not be found.
            auto found = storage_->Stat(name);
            EXPECT_FALSE(found && (mode == PutMode::kCreate || found->size != 3'000'000)) << faults.call();
            storage_->Remove({name});
            EXPECT_EQ(Names(), std::vector<std::string>{"first"}) << faults.call();
            EXPECT_EQ(TemporaryFiles(), 0u) << faults.call();
            fs::remove_all(root_ / "new");    // empty folders may stay
        }
        const char *publish = mode == PutMode::kCreate ? "linkat" : "renameat";
        EXPECT_EQ(calls, (std::set<std::string>{"openat", "write", "fsync", "mkdirat", publish}));
    }
}

TEST_F(FileStorageTest, AFolderAboveIsSyncedUntilItsEntryIsKnownToBeDurable) {
    auto inode = [](const fs::path &path) {
        struct stat info {};
        EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
        return info.st_ino;
    };
    auto synced = [&](const std::function<void()> &act) {    // of the folders
        TakeSynced();
        act();
        std::set<std::string> found;
        for (ino_t one : TakeSynced())
            for (const char *name : {"", "a", "a/b", "a/b/c"})
                if (fs::exists(root_ / name) && inode(root_ / name) == one) found.insert(name);
        return found;
    };
    using Folders = std::set<std::string>;
    const Folders all{"", "a", "a/b"};
    EXPECT_EQ(synced([&] { Put("a/b/1"); }), all);
    EXPECT_EQ(synced([&] { Put("a/b/2"); }), all) << "they are too young to be told from others of that number";
    std::this_thread::sleep_for(3s);
    EXPECT_EQ(synced([&] { Put("a/b/3"); }), all);
    EXPECT_EQ(synced([&] { Put("a/b/4"); }), Folders{"a/b"});
    EXPECT_EQ(synced([&] { storage_->Remove({"a/b/4"}); }), Folders{"a/b"});
    EXPECT_EQ(synced([&] { Put("a/5"); }), Folders{"a"});
    EXPECT_EQ(synced([&] { Put("a/b/c/6"); }), (Folders{"a/b", "a/b/c"})) << "a new one below";
    fs::remove_all(root_ / "a" / "b");    // by another process, which has not synced it
    fs::create_directory(root_ / "a" / "b");
    EXPECT_EQ(synced([&] { Put("a/b/7"); }), (Folders{"a", "a/b"})) << "one that was made anew";
    StoragePtr another = MakeFileStorage(root_.string());
    MemorySource source("text");
    EXPECT_EQ(synced([&] { another->Put("a/b/8", source, PutMode::kCreate); }), all) << "another process knows nothing";
}

TEST_F(FileStorageTest, AFullDiskSaysSo) {
    Put("first");
    for (int error_number : {ENOSPC, EDQUOT})
        for (std::uint64_t nth = 1; nth <= 4; nth++) {    // openat, write, fsync, mkdirat
            SystemCallFaults faults(nth, error_number);
            Error error = ErrorOf([&] { Put("new/x"); });
            EXPECT_EQ(error.code, Code::kUnavailable);
            EXPECT_EQ(error.Sqlstate(), "53100");
            EXPECT_THAT(error.message, HasSubstr("disk full"));
            EXPECT_THAT(error.hint, HasSubstr("Free space"));
        }
}

TEST_F(FileStorageTest, AReadOnlyDiskSaysSo) {
    Put("first");
    SystemCallFaults faults(1, EROFS);
    Error error = ErrorOf([&] { Put("x"); });
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_THAT(error.hint, HasSubstr("mounted read-only"));
}

TEST_F(FileStorageTest, AFileSystemWithoutHardLinksStillCreatesOnce) {
    Put("first");
    SystemCallFaults free(4, EPERM);    // openat, write, fsync, linkat
    Put("x", "ours");
    EXPECT_STREQ(free.call(), "linkat");
    EXPECT_EQ(ErrorOf([&] { Put("x", "other"); }).code, Code::kAlreadyExists);
    EXPECT_EQ(ReadWholeFile(root_ / "x"), "ours");
    EXPECT_EQ(TemporaryFiles(), 0u);
}

// A child puts object after object and is killed at a random moment; whatever is listed is whole, and the next run works.
TEST_F(FileStorageTest, KilledAtAnyMomentNothingPartialHasAName) {
    constexpr std::uint64_t kSize = 3'000'000;
    void *shared =
        mmap(nullptr, sizeof(std::atomic<std::uint64_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    auto &steps = *new (shared) std::atomic<std::uint64_t>(0);
    SeededRandom random(11);
    Put("first");
    std::size_t whole = 0;
    for (std::uint64_t round = 0; round < 40; round++) {
        steps = 0;
        pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            for (std::uint64_t i = 0;; i++) {
                PatternSource source(kSize, i);
                source.When(0, [&] { steps++; });
                storage_->Put("run/" + std::to_string(round) + "/" + std::to_string(i), source, PutMode::kCreate);
                steps++;
            }
        }
        std::uint64_t target = random.Below(12);    // five steps are an object
        while (steps < target) std::this_thread::yield();
        std::this_thread::sleep_for(std::chrono::microseconds(random.Below(3'000)));
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        std::size_t found = 0;
        storage_->List("run/", [&](const ObjectInfo &object) {
            EXPECT_EQ(object.size, kSize);
            auto reader = storage_->Open(object.name, {});
            PatternSource expected(kSize, std::stoull(object.name.substr(object.name.rfind('/') + 1)));
            EXPECT_EQ(DigestOf(*reader), DigestOf(expected)) << object.name;
            found++;
            return true;
        });
        EXPECT_GE(found, target / 5);    // what was reported done is there
        whole += found;
        storage_->Remove(Names());
    }
    munmap(shared, sizeof(steps));
    EXPECT_GT(whole, 0u);
    EXPECT_GT(TemporaryFiles(), 0u);    // the kills did hit uploads
    storage_->SweepUploads(0s);
    EXPECT_EQ(TemporaryFiles(), 0u);
}

TEST(FileNamesTest, OneToOne) {
    EXPECT_EQ(FileNameOfPart("20260116T080000Z-ab.zst"), "20260116T080000Z-ab.zst");
    EXPECT_EQ(FileNameOfPart("50% +~"), "50%25 +~");
    EXPECT_EQ(FileNameOfPart(".tmp"), "%2Etmp");
    EXPECT_EQ(FileNameOfPart("lost+found"), "%6Cost+found");
    EXPECT_EQ(FileNameOfPart("a\nb\x7f"), "a%0Ab%7F");
    for (std::string part : {".", "..", "...", "%", "%2E", "lost+found", "\xC3\xBC", "a.b", "\x01"})
        EXPECT_EQ(PartOfFileName(FileNameOfPart(part)), part);
    for (std::string file : {".", ".tmp", "%", "%zz", "%41", "%2e", "a%", "\xff", "%00x\xff"})
        EXPECT_EQ(PartOfFileName(file), std::nullopt) << file;
}

}    // namespace
}    // namespace ark::test
