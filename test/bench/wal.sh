# WAL: 64 segments into S3 and back, called as a server calls archive_command and restore_command, one after the other, and drained
# by a server's archiver. Both compress at zstd:1.
# shellcheck shell=bash disable=SC2154
# shellcheck source=test/bench/pgbackrest.sh
source test/bench/pgbackrest.sh
segments=${ARK_BENCH_SEGMENTS:-64}
ask bench "ALTER SYSTEM SET archive_command = 'false'" > /dev/null
ask bench "ALTER SYSTEM SET max_wal_size = '32GB'" > /dev/null
ask bench 'SELECT pg_reload_conf()' > /dev/null
ask bench CHECKPOINT > /dev/null
ask bench 'SELECT pg_switch_wal()' > /dev/null
waiting() { as_postgres bash -c "cd $cluster_home/data/pg_wal/archive_status && ls | grep -E '^[0-9A-F]{24}[.]ready$' | sed 's/[.]ready//'"; }
for ((at = 0; $(waiting | wc -l) < segments; at = (at + 50000) % (scale * 100000))); do
    ask bench "UPDATE pgbench_accounts SET filler = 'filler ' || aid WHERE aid % 2 = 0 AND aid BETWEEN $at AND $at + 50000" > /dev/null
done
waiting | head -n "$segments" > "$cluster_home/segments"
chmod 644 "$cluster_home/segments"
as_postgres mkdir -p "$cluster_home/fetched/global" "$cluster_home/fetched/pg_wal"
as_postgres cp "$cluster_home/data/global/pg_control" "$cluster_home/fetched/global/"

push_peer() { echo "while read -r f; do $(peer s3 "$1" --compress-level=1 archive-push "$cluster_home/data/pg_wal/\$f"); done < $cluster_home/segments"; }
get_peer() { echo "while read -r f; do rm -f pg_wal/RECOVERYXLOG; $(peer s3 "$1" "--pg1-path=$cluster_home/fetched" archive-get "\$f" pg_wal/RECOVERYXLOG); done < $cluster_home/segments"; }
clean() { as_postgres rm -rf "$cluster_home/spool" "$cluster_home/data/pg_wal/ark_spool" "$cluster_home/fetched/pg_wal"; as_postgres mkdir -p "$cluster_home/spool" "$cluster_home/fetched/pg_wal"; }
new_stanza() {    # nothing of it is stored yet
    as_postgres aws s3 rm --quiet --recursive --endpoint-url "$ARK_TEST_S3_ENDPOINT" "s3://$ARK_TEST_S3_BUCKET/peer"
    as_postgres bash -c "$(peer s3 stanza-create)" > "$cluster_home/bench.log" 2>&1
}

# The server's archiver with all of them before it: from the reload that lets it archive until it has the last.
set_all() { local setting; for setting in "$@"; do ask bench "ALTER SYSTEM SET $setting" > /dev/null; done; ask bench 'SELECT pg_reload_conf()' > /dev/null; }
all_wait() { as_postgres bash -c "cd $cluster_home/data/pg_wal/archive_status; while read -r f; do [ ! -e \$f.done ] || mv \$f.done \$f.ready; done < $cluster_home/segments"; }
drain() {    # name, the setting that begins it
    measure "$1" "psql -Xq -d bench -c \"ALTER SYSTEM SET $2\" -c 'SELECT pg_reload_conf()' > /dev/null
        until [ -e $cluster_home/data/pg_wal/archive_status/$last.done ]; do sleep 0.05; done"
}
drain_by_peer() {
    set_all "archive_library = ''" "archive_command = 'false'"
    sleep 12    # a server starts its archiver anew, with another library, ten seconds after the last start
    all_wait
    drain 'the archiver with pgBackRest, asynchronous' "archive_command = '$(peer s3 --archive-async --compress-level=1 archive-push %p)'"
}
drain_by_module() {
    set_all 'ark.enabled = off' "archive_command = ''" "archive_library = 'pg_ark'" "ark.store = '$s3'"
    sleep 12
    all_wait
    drain 'the archiver with pg_ark as its library' 'ark.enabled = on'
}
last=$(tail -n 1 "$cluster_home/segments")
# The server's own environment has no keys.
as_postgres bash -c "umask 077; mkdir -p ~/.aws; printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY > ~/.aws/credentials"
set_all "shared_preload_libraries = 'pg_ark'" "checkpoint_timeout = '1d'"
restart_cluster
set_all "ark.wal_ship_interval = 0"

for ((round = 1; round <= rounds; round++)); do
    clean
    new_stanza
    drain_by_peer
    s3=$(s3_store "drained$round")
    as_postgres pg_ark init --quiet --store="$s3"
    clean
    drain_by_module
    set_all "archive_library = ''" "archive_command = 'false'"
    all_wait
    as_postgres bash -c "cd $cluster_home/fetched; pg_ark wal-fetch --quiet --store='$s3' $last pg_wal/RECOVERYXLOG && cmp pg_wal/RECOVERYXLOG $cluster_home/data/pg_wal/$last"
    clean
    new_stanza
    measure 'pgBackRest archive-push' "$(push_peer '')"
    clean
    new_stanza
    measure 'pgBackRest archive-push, asynchronous' "$(push_peer '--archive-async')"
    s3=$(s3_store "wal$round")
    as_postgres pg_ark init --quiet --store="$s3"
    measure 'pg_ark wal-push' "cd $cluster_home/data; while read -r f; do pg_ark wal-push --quiet --store='$s3' pg_wal/\$f; done < $cluster_home/segments"
    clean
    measure 'pgBackRest archive-get' "cd $cluster_home/fetched; $(get_peer '')"
    clean
    measure 'pgBackRest archive-get, asynchronous' "cd $cluster_home/fetched; $(get_peer '--archive-async')"
    clean
    measure 'pg_ark wal-fetch' "cd $cluster_home/fetched; while read -r f; do rm -f pg_wal/RECOVERYXLOG; pg_ark wal-fetch --quiet --store='$s3' \$f pg_wal/RECOVERYXLOG; done < $cluster_home/segments"
    as_postgres cmp "$cluster_home/fetched/pg_wal/RECOVERYXLOG" "$cluster_home/data/pg_wal/$last"
done
report "WAL: $segments segments, one call after the other"
medians | awk -F '\t' -v n="$segments" '{ printf "    %-44s %6.1f segments/s\n", $1, n / $2 }'
ratio 'the archiver with pg_ark as its library' 'the archiver with pgBackRest, asynchronous' '2'
ratio 'pg_ark wal-push' 'pgBackRest archive-push, asynchronous' '2'
ratio 'pg_ark wal-fetch' 'pgBackRest archive-get, asynchronous' '2.5'
