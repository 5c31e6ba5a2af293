# wal_sync: what a commit costs when it waits for the store: pgbench's simple update with 1 and 8 clients, while WAL is shipped every second and while commits
# wait for it. The server syncs its own WAL here.
# shellcheck shell=bash disable=SC2154
seconds=${ARK_BENCH_SECONDS:-20}
settle() { for ((i = 0; i < 600; i++)); do [ "$(ask postgres "$1")" = t ] && return; sleep 0.1; done; echo "never: $1"; tail -n 20 "$cluster_home/log"; return 1; }
server_option() { ask postgres "ALTER SYSTEM SET $1 = '$2'" > /dev/null; ask postgres 'SELECT pg_reload_conf()' > /dev/null; }
server_option shared_preload_libraries pg_ark
restart_cluster
for option in fsync=on archive_library=pg_ark archive_command= ark.wal_ship_interval=1s ark.allow_same_disk_wal=on; do
    server_option "${option%%=*}" "${option#*=}"
done
load() {    # store's name, on or off, clients
    as_postgres bash -c "cd $cluster_home && rm -f commits.* && pgbench -n -N -c $3 -j 2 -T $seconds -l --log-prefix=commits bench" > "$cluster_home/bench.log" 2>&1 || { tail "$cluster_home/bench.log"; return 1; }
    awk '{ print $3 / 1000 }' "$cluster_home"/commits.* | sort -n | awk -v store="$1" -v sync="$2" -v clients="$3" -v seconds="$seconds" '
        { took[NR] = $1; all += $1 }
        END { printf "    %-10s wal_sync %-3s %d clients %8.0f commits/s   latency ms: mean %.2f, median %.2f, 95 %% %.2f, 99 %% %.2f, most %.2f\n", store, sync, clients, NR / seconds, all / NR, took[int(NR * 0.5) + 1], took[int(NR * 0.95) + 1], took[int(NR * 0.99) + 1], took[NR] }'
}
echo "Commits that wait for the store"
for store in directory s3; do
    if [ "$store" = s3 ]; then url=$(s3_store wal_sync); else url=file://$cluster_home/stores/wal_sync; fi
    [ "$store" = s3 ] || as_postgres mkdir -p "$cluster_home/stores/wal_sync"
    server_option ark.store "$url"
    as_postgres pg_ark init --quiet --store="$url"
    for ((round = 1; round <= rounds; round++)); do
        for sync in off on; do
            server_option ark.wal_sync "$sync"
            if [ "$sync" = on ]; then settle "SELECT current_setting('synchronous_standby_names') = 'pg_ark_wal_sync'"; else settle "SELECT current_setting('synchronous_standby_names') = ''"; fi
            for clients in 1 8; do load "$store" "$sync" "$clients"; done
        done
    done
    server_option ark.wal_sync off
done
