// libpq, with errors as ark::Error and cancellation by the ticker. One thread uses a connection at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

namespace ark {

class Result {
public:
    explicit Result(void *pg_result) : result_(pg_result) {}
    Result(Result &&other) noexcept;
    Result &operator=(Result &&other) noexcept;
    ~Result();
    int rows() const;
    bool IsNull(int row, int column) const;
    std::string_view Text(int row, int column) const;    // empty for NULL
    std::string String(int row, int column) const { return std::string(Text(row, column)); }
    std::int64_t Int(int row, int column) const;
    std::uint64_t Unsigned(int row, int column) const;
    bool Bool(int row, int column) const;
    std::uint64_t affected() const;    // of INSERT, UPDATE, DELETE, COPY

private:
    void *result_;
};

using Parameters = std::vector<std::optional<std::string>>;

// Of START_REPLICATION; positions are those of the log.
struct WalMessage {
    enum class Kind { kNothing, kData, kKeepalive };
    Kind kind = Kind::kNothing;
    std::uint64_t at = 0;     // of the first of `bytes`
    std::uint64_t end = 0;    // data: of what the server has; keepalive: of what it has sent
    TimePoint time{};         // by the server's clock, when it was sent
    bool reply_requested = false;
    ByteView bytes{};    // until the next message
};

// kReplication: physical; it takes replication commands alone. kSqlOfStandby: it takes SQL, without parameters, and its room is that of
// standbys (max_wal_senders): max_connections does not count it (storage/lmgr/proc.c, InitProcess; utils/init/postinit.c, InitPostgres).
enum class ConnectionKind { kSql, kReplication, kSqlOfStandby };

class Connection {
public:
    // `conninfo` as libpq takes it; `database` overrides its dbname when given. Failures: kUnavailable (no server, timeout; SQLSTATE 08001),
    // kPermissionDenied (authentication). The password, if any, never appears in a message.
    Connection(std::string_view conninfo, std::string_view database, std::string_view application_name, Ticker &ticker,
               Log &log, ConnectionKind kind = ConnectionKind::kSql);
    ~Connection();
    Connection(const Connection &) = delete;

    // A server error becomes Error with its SQLSTATE, DETAIL and HINT; code: kCancelled for 57014 after our own
    // cancel, kPermissionDenied for 42501, kUnavailable for class 08 and 57P01..03, kConflict for 55P03 and 40P01, else kInternal.
    Result Query(std::string_view sql, const Parameters &parameters = {});
    void Execute(std::string_view sql) { Query(sql); }

    // For a connection that much will be read from: libpq reads at most what its buffer has room for, 16 KiB at first, and keeps one
    // that a long message made larger.
    void ReadInLargePieces();

    // COPY … TO STDOUT: `visit` is given whole rows as they arrive (a view of one row with its newline). If it throws, the
    // connection is of no further use.
    std::uint64_t CopyOut(std::string_view sql, const std::function<void(std::string_view row)> &visit);
    // The same without a copy of each row between: bytes go straight into the caller's memory. `sql` may hold several
    // COPY … TO STDOUT, and other statements before them; a failure of any is thrown where it is met.
    class CopyOutStream {
    public:
        bool NextCopy();    // on to the next COPY's rows; false when all statements are done
        // Fills part of `to`, with bytes of one row; a row of COPY text is complete when the last byte is a newline.
        // 0 at the end of this COPY.
        std::size_t Read(MutableBytes to);

    private:
        friend class Connection;
        explicit CopyOutStream(Connection &connection) : connection_(connection) {}
        Connection &connection_;
        bool copying_ = false;
    };
    CopyOutStream BeginCopyOut(std::string_view sql);

    // COPY … FROM STDIN.
    class CopyIn {
    public:
        void Write(ByteView bytes);
        std::uint64_t Finish();                      // rows
        void Fail(std::string_view why) noexcept;    // the server rolls the COPY back

    private:
        friend class Connection;
        explicit CopyIn(Connection &connection) : connection_(connection) {}
        Connection &connection_;
    };
    CopyIn BeginCopyIn(std::string_view sql);

    // START_REPLICATION … PHYSICAL.
    class WalStream {
    public:
        WalStream(WalStream &&other) noexcept;
        ~WalStream();
        // The next message, or kNothing after `patience`, or once the descriptor `also` can be read. False: the server ended the stream, as
        // it does when it shuts down.
        bool Receive(Duration patience, WalMessage &message, int also = -1);
        // How far we are; a `flushed` of 0 says nothing, so that nobody's commit waits for us. `ask`: the server answers with a
        // keepalive.
        void SendStatus(std::uint64_t written, std::uint64_t flushed, TimePoint now, bool ask);

    private:
        friend class Connection;
        explicit WalStream(Connection &connection) : connection_(connection) {}
        static void Parse(ByteView bytes, WalMessage &message);
        Connection &connection_;
        char *buffer_ = nullptr;
    };
    WalStream BeginWalStream(std::string_view command);

    bool IsLost();    // as far as is known without waiting for anything

    int server_version_num() const;
    std::string Parameter(std::string_view name) const;    // PQparameterStatus
    bool over_socket() const;
    std::string host() const;
    int port() const;
    std::string user() const;
    int backend_pid() const;
    // "dbname=… host=…" for pg_dump and other children: keywords that came from the conninfo, password through PGPASSWORD only.
    // `application_name` is the child's; `server_options` ("-c name=value") are added to those of the conninfo.
    std::string ChildConninfo(std::string_view application_name = {}, std::string_view server_options = {}) const;
    Secret ChildPassword() const;     // empty: none was given
    void RequestCancel() noexcept;    // from any thread

private:
    struct State;
    std::unique_ptr<State> state_;
};

std::string QuoteIdentifier(std::string_view name);    // always in double quotes
std::string QuoteLiteral(std::string_view text);       // E'' only where needed
std::string QualifiedName(std::string_view schema, std::string_view name);

// The session contract (docs/repository-format.md, section 7). Applied to every connection; `reader` adds read only.
void ApplySessionContract(Connection &connection, bool reader);
// As written into a manifest.
std::vector<std::pair<std::string, std::string>> SessionContract(const Connection &connection, bool reader);

// What identifies the server: pg_control_system(), pg_control_checkpoint(), settings.
struct ServerIdentity {
    std::string system_identifier;
    std::uint32_t timeline = 1;
    int version_num = 0;
    std::uint32_t catalog_version = 0;
    std::uint32_t block_size = 8192;
    std::uint64_t segment_size = 16 << 20;
    bool data_checksums = false;
    bool in_recovery = false;
    std::string cluster_name;
    std::string data_directory;    // empty if the role may not see it
    std::string lsn;
};
ServerIdentity IdentifyServer(Connection &connection);

}    // namespace ark
