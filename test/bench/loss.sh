# What a disaster costs: the whole server and the engine killed with SIGKILL at a random moment under load, the cluster restored from S3
# alone, and what was acknowledged compared with what came back. ARK_BENCH_INTERVALS ("1s 10s"), ARK_BENCH_LOSSES (5 kills each).
# shellcheck shell=bash disable=SC2154
s3=$(s3_store loss)
as_postgres bash -c "umask 077; mkdir -p ~/.aws; printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY > ~/.aws/credentials"
as_postgres pg_ark init --quiet --store="$s3"
ask postgres "ALTER SYSTEM SET shared_preload_libraries = 'pg_ark'" > /dev/null
restart_cluster
for option in "archive_command = ''" "archive_library = 'pg_ark'" "ark.store = '$s3'"; do ask postgres "ALTER SYSTEM SET $option" > /dev/null; done
ask postgres 'SELECT pg_reload_conf()' > /dev/null
ask postgres 'CREATE TABLE log (id bigserial PRIMARY KEY, fill text)' > /dev/null
as_postgres pg_ark backup --kind=physical --quiet --store="$s3"
processes_below() { local child; for child in $(pgrep -P "$1"); do processes_below "$child"; echo "$child"; done; }
kill_all() {
    local server processes
    server=$(head -n 1 "$cluster_home/data/postmaster.pid")
    mapfile -t processes < <(processes_below "$server")
    kill -KILL "$server" "${processes[@]}" 2> /dev/null || true
    while kill -0 "$server" 2> /dev/null; do sleep 0.01; done
}
yes "INSERT INTO log (fill) VALUES (repeat('x', 100)) RETURNING id, extract(epoch FROM clock_timestamp());" | head -n 2000000 > "$cluster_home/inserts" || true
chmod 644 "$cluster_home/inserts"
printf '\nAcknowledged commits that were lost, and how old the oldest of them was\n'
for interval in ${ARK_BENCH_INTERVALS:-1s 10s}; do
    ask postgres "ALTER SYSTEM SET ark.wal_ship_interval = '$interval'" > /dev/null
    ask postgres 'SELECT pg_reload_conf()' > /dev/null
    for ((round = 1; round <= ${ARK_BENCH_LOSSES:-5}; round++)); do
        as_postgres psql -XAtq -d postgres -f "$cluster_home/inserts" > "$cluster_home/acknowledged" 2> /dev/null &
        client=$!
        sleep $((${interval%s} + 3)).$((RANDOM % 10))
        sleep $((RANDOM % ${interval%s})).$((RANDOM % 10))
        kill_all
        lost_at=$(date +%s.%N)
        wait "$client" || true
        as_postgres mkdir -m 700 "$cluster_home/back"
        as_postgres pg_ark restore --quiet --store="$s3" --pgdata="$cluster_home/back" > "$cluster_home/bench.log"
        as_postgres pg_ctl -D "$cluster_home/back" -l "$cluster_home/back.log" -w -t 120 -s start
        until [ "$(ask postgres 'SELECT pg_is_in_recovery()')" = f ]; do sleep 0.1; done
        last=$(ask postgres 'SELECT max(id) FROM log')
        as_postgres pg_ctl -D "$cluster_home/back" -w -s -m immediate stop
        as_postgres rm -rf "$cluster_home/back"
        awk -F '|' -v last="$last" -v at="$lost_at" -v interval="$interval" '
            /^[0-9]+\|[0-9]+[.][0-9]+$/ { all++; if ($1 > last) { lost++; if (!oldest) oldest = $2 } }
            END { printf "    interval %-4s %6d of %7d acknowledged meanwhile, the oldest %.2f s old\n", interval, lost, all, oldest ? at - oldest : 0 }' "$cluster_home/acknowledged"
        rm -f "$cluster_home/data/postmaster.pid"
        restart_cluster
    done
done
