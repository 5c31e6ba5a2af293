// What archiving keeps beside pg_wal between two calls of a command: which segments an earlier call has stored ahead, and which it has
// fetched ahead, and which store could not be reached. Below pg_wal/ark_spool, in a folder a store and a start of
// the machine, so that another store's answers are never taken for this one's, nor what a crash left. All of it may
// be deleted at any time, which costs a request; base backups leave pg_wal out.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "pgdata/wal_name.h"

namespace ark {

class WalSpool {
public:
    // `store` says which store and path it is, as the settings do: it may hold secrets, and only a digest of it is kept.
    WalSpool(const std::filesystem::path &wal_directory, std::string_view store);

    // The store has this file of pg_wal, which does not change any more. Best effort: a mark that cannot be written (the disk
    // may be full, because WAL waits) is known to this object alone. These three are safe for concurrent use.
    void MarkPushed(const WalFileName &name, const std::filesystem::path &file) noexcept;
    // Whether it was marked. False for a file that is not the marked one (size, time of change, inode).
    bool IsPushed(const WalFileName &name, const std::filesystem::path &file) const;
    bool TakePushed(const WalFileName &name, const std::filesystem::path &file);    // the same; the mark is gone then

    // Where a segment is fetched to ahead of its request; the folder is made, but not pg_wal.
    std::filesystem::path FetchedFile(const WalFileName &name);
    bool IsFetched(const WalFileName &name) const;
    bool IsBeingFetched(const WalFileName &name) const;    // or was, by one that was killed: see LockFetching()
    // Moves it to `to`; what is there is removed first. False if it was not fetched.
    bool TakeFetched(const WalFileName &name, const std::filesystem::path &to);
    // What was fetched before `segment` in the order of names, and what a killed fetch left.
    void ForgetFetchedBefore(const SegmentName &segment);
    void ForgetFetched();

    // The segment that recovery asked for last. Best effort.
    void NoteAsked(const SegmentName &segment) noexcept;
    std::optional<SegmentName> Asked() const noexcept;

    // Files could not be stored since then, and one was tried at that time. Best effort.
    struct Failing {
        TimePoint since{}, tried{};
    };
    void NoteFailed(TimePoint now) noexcept;
    std::optional<Failing> Failed() const noexcept;
    void ForgetFailed() noexcept;

    // One of several stores was out of reach at that time. It is believed for a minute. Best effort.
    void NoteAway(std::string_view store, TimePoint now) noexcept;
    bool IsAway(std::string_view store, TimePoint now) const noexcept;
    void ForgetAway(std::string_view store) noexcept;

    // Held by the one process that fetches ahead; nullopt if another one does.
    std::optional<Fd> LockFetching();
    // By the one that ships the WAL.
    std::optional<Fd> LockShipping();
    // By the one that copies it to other stores.
    std::optional<Fd> LockCopying();

private:
    std::filesystem::path AwayFile(std::string_view store) const;
    std::optional<Fd> Lock(const char *name);
    std::filesystem::path folder_, pushed_, fetched_;
    mutable std::mutex mutex_;
    std::map<std::string, std::string> unwritten_;    // marks: name and identity of the file
};

}    // namespace ark
