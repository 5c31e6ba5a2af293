// The database that a whole backup is restored into: made, or found empty; marked while the restore is unfinished.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "logical/restore_database.h"

namespace ark {

class TargetDatabase {
public:
    // Connects to the maintenance database. Throws kInvalidArgument if that is the target itself.
    TargetDatabase(const DatabaseRestoreRequest &request, Ticker &ticker, Log &log);
    ~TargetDatabase();    // drops what was made here and is not finished
    TargetDatabase(const TargetDatabase &) = delete;

    Connection &maintenance() { return *maintenance_; }
    bool Exists();
    // Throws kAlreadyExists, naming some, if the database holds objects of users, kConflict if another restore is at it.
    void CheckEmpty();

    // Makes it where it does not exist, with these options of CREATE DATABASE, takes it for this restore alone and writes
    // the mark into its comment.
    void Take(const std::string &options, const BackupId &backup);
    Connection &connection() { return *guard_; }    // to the target, once it is taken

    void Finish();    // takes the mark away; durable when it returns
    // Drops the database if it was made here, and says in the error what is left of it.
    void GiveUp(Error &error) noexcept;

private:
    void Connect();
    void ConnectForMaintenance();
    void Maintain(const std::string &sql);    // once more over a new connection, if this one was lost
    void Comment(const std::optional<std::string> &text);
    bool IsOurs();    // the database of that name is the one that was made here

    const DatabaseRestoreRequest &request_;
    Ticker &ticker_;
    Log &log_;
    std::unique_ptr<Connection> maintenance_;    // no cancellation stops it: what it does is short, or tidies up
    std::unique_ptr<Connection> guard_;
    std::string mark_;
    std::uint64_t oid_ = 0;    // of what was made here
    std::optional<std::string> comment_before_;
    bool made_ = false, taken_ = false, marked_ = false;
};

}    // namespace ark
