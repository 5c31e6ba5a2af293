# Sourced by scripts that need a PostgreSQL of their own: never the machine's, never a port, gone afterwards.
# shellcheck shell=bash

pg_config=${PG_CONFIG:-pg_config}
pg_bindir() { "$pg_config" --bindir; }

# Servers refuse to run as root: then everything runs as the postgres user, with an environment of its own.
as_postgres() {
    local run=()
    [ "$(id -u)" -ne 0 ] || run=(runuser -u postgres --)
    (cd / && "${run[@]}" env "HOME=$cluster_home" PSQLRC=/dev/null PGOPTIONS= "PATH=$(pg_bindir):$PATH" "$@")
}

# A directory that the postgres user owns and others can pass through; sets cluster_home.
make_cluster_home() {    # prefix
    cluster_home=$(mktemp -d "${TMPDIR:-/var/tmp}/$1.XXXXXX")
    chmod 755 "$cluster_home"
    [ "$(id -u)" -ne 0 ] || chown postgres: "$cluster_home"
}

# Makes and starts a cluster in $cluster_home; standard input is added to its postgresql.conf. Exports PGHOST, PGPORT
# and PGUSER. The log is $cluster_home/log.
start_cluster() {
    export PGHOST=$cluster_home PGPORT=5432 PGUSER=postgres
    as_postgres initdb -D "$cluster_home/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --data-checksums -N \
        > "$cluster_home/initdb.log" || { cat "$cluster_home/initdb.log" >&2; return 1; }
    as_postgres tee -a "$cluster_home/data/postgresql.conf" > /dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$cluster_home'
unix_socket_permissions = 0700
fsync = off
$(cat)
CONF
    restart_cluster
}

restart_cluster() {
    stop_cluster
    as_postgres pg_ctl -D "$cluster_home/data" -l "$cluster_home/log" -w -t 60 -s start 2> "$cluster_home/start.log" || {
        cat "$cluster_home/start.log" >&2
        tail -n 20 "$cluster_home/log" >&2 || true
        return 1
    }
}

stop_cluster() {
    [ -n "${cluster_home:-}" ] && [ -e "$cluster_home/data/postmaster.pid" ] || return 0
    as_postgres pg_ctl -D "$cluster_home/data" -w -t 60 -s -m fast stop \
        || as_postgres pg_ctl -D "$cluster_home/data" -w -t 20 -s -m immediate stop
}
