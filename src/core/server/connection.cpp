#include <fmt/format.h>
#include <poll.h>

#include <cstring>

#include "base/clock.h"
#include "server/connection_state.h"

namespace ark {
namespace {

using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

constexpr int kTickMs = 100;
constexpr int kConnectSeconds = 15;    // where the conninfo gives no connect_timeout

Options ParseConninfo(const std::string &conninfo) {
    char *fault = nullptr;
    Options options(pq->PQconninfoParse(conninfo.c_str(), &fault), pq->PQconninfoFree);
    std::string words = fault ? fault : "out of memory";
    pq->PQfreemem(fault);
    if (options) return options;
    // libpq quotes the place that it could not read, and a password may stand there.
    bool may_tell = conninfo.find("pass") == std::string::npos && conninfo.find("://") == std::string::npos;
    throw Error(Code::kInvalidArgument, "could not understand the connection string", may_tell ? words : std::string(),
                "it is written as keyword=value pairs or as postgresql://host:port/database");
}

// libpq gives no SQLSTATE for a failed connection; in verbose messages it stands behind the severity: "FATAL:  28P01: …".
std::string TakeSqlstate(std::string &words) {
    for (std::size_t at = words.find(":  "); at != std::string::npos; at = words.find(":  ", at + 1)) {
        std::string_view state = std::string_view(words).substr(at + 3);
        if (state.size() < 7 || state.substr(5, 2) != ": ") continue;
        if (state.substr(0, 5).find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string_view::npos)
            continue;
        std::string found(state.substr(0, 5));
        words.erase(at + 3, 7);
        return found;
    }
    return {};
}

[[noreturn]] void ThrowConnectFailure(PGconn *conn, bool timed_out) {
    std::string words = pq->PQerrorMessage(conn);
    std::string sqlstate = TakeSqlstate(words);
    if (std::size_t location = words.find("\nLOCATION:"); location != std::string::npos) words.resize(location);
    while (!words.empty() && words.back() == '\n') words.pop_back();
    if (timed_out) words = "no answer in time" + (words.empty() ? words : "; " + words);
    const char *host = pq->PQhost(conn);
    const char *database = pq->PQdb(conn);
    std::string what =
        fmt::format("could not connect to database \"{}\" on \"{}\"", database ? database : "", host ? host : "");
    if (sqlstate.starts_with("28")) throw Error(Code::kPermissionDenied, what, words).WithSqlstate(sqlstate);
    if (sqlstate == "3D000") throw Error(Code::kNotFound, what, words).WithSqlstate(sqlstate);
    if (sqlstate == "42501") throw Error(Code::kPermissionDenied, what, words).WithSqlstate(sqlstate);
    throw Error(Code::kUnavailable, what, words, "check that the server runs and accepts connections there")
        .WithSqlstate(sqlstate.empty() ? "08001" : std::string_view(sqlstate));
}

void KeepNotice(void *log, const PGresult *notice) {
    const char *severity = pq->PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *words = pq->PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    if (severity && words && std::strcmp(severity, "WARNING") == 0) static_cast<Log *>(log)->Warn(words);
}

int PollFor(int fd, short events, int timeout_ms) {
    pollfd waiting{fd, events, 0};
    return poll(&waiting, 1, timeout_ms);
}

}    // namespace

Connection::Connection(std::string_view conninfo, std::string_view database, std::string_view application_name,
                       Ticker &ticker, Log &log, ConnectionKind kind)
    : state_(std::make_unique<State>(ticker, log)) {
    Options options = ParseConninfo(std::string(conninfo));
    // A connection may be silent for hours, while others copy. Whatever forgets silent ones on the way is kept awake, unless the
    // conninfo says otherwise: libpq's own default begins after two hours.
    std::vector<const char *> keywords{"keepalives_idle", "keepalives_interval", "keepalives_count"},
        values{"60", "10", "6"};
    int seconds = kConnectSeconds;
    for (PQconninfoOption *option = options.get(); option->keyword; option++) {
        std::string_view keyword = option->keyword;
        if (!option->val || (keyword == "dbname" && !database.empty()) || keyword == "application_name") continue;
        if (keyword == "connect_timeout") seconds = std::max(2, std::atoi(option->val));
        keywords.push_back(option->keyword);
        values.push_back(option->val);
    }
    std::string dbname(database), application(application_name);
    if (!dbname.empty()) {
        keywords.push_back("dbname");
        values.push_back(dbname.c_str());
    }
    keywords.push_back("application_name");
    values.push_back(application.c_str());
    if (kind != ConnectionKind::kSql) {
        keywords.push_back("replication");
        values.push_back(kind == ConnectionKind::kReplication ? "true" : "database");
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);

    State &state = *state_;
    ticker.Check();
    state.conn = pq->PQconnectStartParams(keywords.data(), values.data(), 0);
    if (!state.conn) throw std::bad_alloc();
    pq->PQsetErrorVerbosity(state.conn, PQERRORS_VERBOSE);
    pq->PQsetNoticeReceiver(state.conn, KeepNotice, &log);
    int waited_ms = 0;
    for (PostgresPollingStatusType status = PGRES_POLLING_WRITING; status != PGRES_POLLING_OK;) {
        if (status == PGRES_POLLING_FAILED || pq->PQstatus(state.conn) == CONNECTION_BAD)
            ThrowConnectFailure(state.conn, false);
        if (PollFor(pq->PQsocket(state.conn), status == PGRES_POLLING_READING ? POLLIN : POLLOUT, kTickMs) > 0) {
            status = pq->PQconnectPoll(state.conn);
        } else if ((waited_ms += kTickMs) >= seconds * 1000) {
            ThrowConnectFailure(state.conn, true);
        }
        ticker.Check();
    }
    pq->PQsetErrorVerbosity(state.conn, PQERRORS_DEFAULT);
    state.cancel = pq->PQgetCancel(state.conn);
}

Connection::~Connection() = default;

void Connection::State::Wait(bool for_write) {
    short events = static_cast<short>(for_write ? POLLIN | POLLOUT : POLLIN);
    do {
        if (!ticker.Cancelled()) continue;
        char words[256];
        pq->PQcancel(cancel, words, sizeof words);
        ticker.Check();
    } while (PollFor(pq->PQsocket(conn), events, kTickMs) == 0);
}

void Connection::State::Consume() {
    if (pq->PQconsumeInput(conn) == 0) ThrowLost();
}

void Connection::State::Flush() {
    for (;;) {
        int left = pq->PQflush(conn);
        if (left < 0) ThrowLost();
        if (left == 0) return;
        Wait(true);
        Consume();
    }
}

PGresult *Connection::State::Next() {
    while (pq->PQisBusy(conn)) {
        Wait();
        Consume();
    }
    return pq->PQgetResult(conn);
}

void Connection::State::Drain() {
    while (PGresult *result = Next()) {
        ExecStatusType status = pq->PQresultStatus(result);
        pq->PQclear(result);
        if (status == PGRES_COPY_IN) pq->PQputCopyEnd(conn, "not wanted");
        if (status == PGRES_COPY_OUT) {
            char *row = nullptr;
            for (int length; (length = pq->PQgetCopyData(conn, &row, 1)) >= 0; pq->PQfreemem(row), row = nullptr) {
                if (length > 0) continue;
                Wait();
                Consume();
            }
        }
    }
}

void Connection::State::ThrowLost() {
    std::string words = pq->PQerrorMessage(conn);
    while (!words.empty() && words.back() == '\n') words.pop_back();
    throw Error(Code::kUnavailable, fmt::format("the connection to database \"{}\" was lost", pq->PQdb(conn)), words)
        .WithSqlstate("08006");
}

void Connection::State::ThrowResult(PGresult *given) {
    std::unique_ptr<PGresult, decltype(&PQclear)> result(given, pq->PQclear);
    auto field = [&](int code) {
        const char *text = pq->PQresultErrorField(result.get(), code);
        return std::string(text ? text : "");
    };
    std::string sqlstate = field(PG_DIAG_SQLSTATE);
    if (sqlstate.empty()) ThrowLost();
    Code code = Code::kInternal;
    if (sqlstate == "57014" && cancel_requested.load()) code = Code::kCancelled;
    if (sqlstate == "42501") code = Code::kPermissionDenied;
    if (sqlstate.starts_with("08") || sqlstate == "57P01" || sqlstate == "57P02" || sqlstate == "57P03")
        code = Code::kUnavailable;
    if (sqlstate == "55P03" || sqlstate == "40P01") code = Code::kConflict;
    std::string detail = field(PG_DIAG_MESSAGE_DETAIL);
    if (std::string context = field(PG_DIAG_CONTEXT); !context.empty())
        detail += (detail.empty() ? "" : "; ") + context;
    Error error(code, field(PG_DIAG_MESSAGE_PRIMARY), detail, field(PG_DIAG_MESSAGE_HINT));
    error.WithSqlstate(sqlstate);
    if (pq->PQstatus(conn) == CONNECTION_OK) Drain();
    throw error;
}

void Connection::State::Send(std::string_view sql) {
    ticker.Check();
    if (pq->PQsendQuery(conn, std::string(sql).c_str()) == 0) ThrowLost();
}

Result Connection::Query(std::string_view sql, const Parameters &parameters) {
    State &state = *state_;
    if (parameters.empty()) {
        state.Send(sql);
    } else {
        state.ticker.Check();
        std::vector<const char *> values;
        for (const auto &parameter : parameters) values.push_back(parameter ? parameter->c_str() : nullptr);
        if (pq->PQsendQueryParams(state.conn, std::string(sql).c_str(), static_cast<int>(values.size()), nullptr,
                                  values.data(), nullptr, nullptr, 0) == 0)
            state.ThrowLost();
    }
    Result last(nullptr);
    while (PGresult *result = state.Next()) {
        ExecStatusType status = pq->PQresultStatus(result);
        if (status == PGRES_FATAL_ERROR) state.ThrowResult(result);
        last = Result(result);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT)
            throw Error(Code::kInternal, "a COPY was run as a plain query");
    }
    return last;
}

// What the server said last lies before the end of the connection.
bool Connection::IsLost() {
    while (PollFor(pq->PQsocket(state_->conn), POLLIN, 0) > 0)
        if (pq->PQconsumeInput(state_->conn) == 0) return true;
    return pq->PQstatus(state_->conn) != CONNECTION_OK;
}

int Connection::server_version_num() const { return pq->PQserverVersion(state_->conn); }

std::string Connection::Parameter(std::string_view name) const {
    const char *value = pq->PQparameterStatus(state_->conn, std::string(name).c_str());
    return value ? value : "";
}

bool Connection::over_socket() const { return host().starts_with('/') || host().starts_with('@') || host().empty(); }
std::string Connection::host() const { return pq->PQhost(state_->conn); }
int Connection::port() const { return std::atoi(pq->PQport(state_->conn)); }
std::string Connection::user() const { return pq->PQuser(state_->conn); }
int Connection::backend_pid() const { return pq->PQbackendPID(state_->conn); }

std::string Connection::ChildConninfo(std::string_view application_name, std::string_view server_options) const {
    Options options(pq->PQconninfo(state_->conn), pq->PQconninfoFree);
    std::string text;
    auto add = [&](std::string_view keyword, std::string_view value) {
        std::string quoted;
        for (char c : value) {
            if (c == '\'' || c == '\\') quoted += '\\';
            quoted += c;
        }
        text += fmt::format("{}{}='{}'", text.empty() ? "" : " ", keyword, quoted);
    };
    std::string for_server;
    for (PQconninfoOption *option = options.get(); option && option->keyword; option++) {
        std::string_view keyword = option->keyword;
        if (!option->val || !*option->val || keyword == "password" || keyword == "application_name" ||
            keyword == "replication")
            continue;
        if (option->compiled && std::strcmp(option->val, option->compiled) == 0 && keyword != "port") continue;
        if (keyword == "options")
            for_server = option->val;
        else
            add(keyword, option->val);
    }
    if (!server_options.empty()) for_server += (for_server.empty() ? "" : " ") + std::string(server_options);
    if (!for_server.empty()) add("options", for_server);
    if (!application_name.empty()) add("application_name", application_name);
    return text;
}

Secret Connection::ChildPassword() const {
    const char *password = pq->PQpass(state_->conn);
    return Secret(password ? password : "");
}

void Connection::RequestCancel() noexcept {
    state_->cancel_requested.store(true);
    char words[256];
    pq->PQcancel(state_->cancel, words, sizeof words);
}

}    // namespace ark
