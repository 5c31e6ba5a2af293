# Seconds for 1, 4 and 16 times the data: they should grow as the bytes do. A full logical backup; a base backup, the next one with
# 1 % of pgbench_accounts changed, and a restore of the cluster. All into or from a directory.
# shellcheck shell=bash disable=SC2154
grow=$cluster_home/stores/grow
as_postgres mkdir "$grow"
as_postgres pg_ark init --quiet --store="file://$grow/cluster"
archive_by() { ask postgres "ALTER SYSTEM SET archive_command = '$1'" > /dev/null; ask postgres 'SELECT pg_reload_conf()' > /dev/null; }
cluster=main.$(ask postgres 'SELECT system_identifier FROM pg_control_system()')
for factor in 1 4 16; do
    grown=$((scale * factor / 16 > 0 ? scale * factor / 16 : 1))
    archive_by true
    make_database "grown$factor" "$grown"
    ask postgres 'SELECT pg_switch_wal()' > /dev/null
    while ls "$cluster_home/data/pg_wal/archive_status" | grep -q '[.]ready$'; do sleep 1; done    # a base backup waits for what is before it
    archive_by "pg_ark wal-push --quiet --store=file://$grow/cluster %p"
    for ((round = 1; round <= rounds; round++)); do
        measure "$factor times the data: logical backup" "mkdir $grow/$round; pg_ark backup --quiet --database=grown$factor --store=file://$grow/$round; rm -rf $grow/$round"
    done
    base="pg_ark backup --kind=physical --quiet --store=file://$grow/cluster"
    measure "$factor times the data: base backup" "$base"
    ask "grown$factor" "UPDATE pgbench_accounts SET filler = filler WHERE aid <= $((grown * 1000)); CHECKPOINT" > /dev/null
    measure "$factor times the data: base backup, 1 % changed" "$base"
    as_postgres mkdir -m 700 "$cluster_home/restored$factor"
    measure "$factor times the data: restore" "pg_ark restore --quiet --cluster=$cluster --store=file://$grow/cluster --pgdata=$cluster_home/restored$factor"
    as_postgres rm -rf "$cluster_home/restored$factor"
    as_postgres dropdb "grown$factor"
done
report 'Growth, into and from a directory'
for what in 'logical backup' 'base backup' 'base backup, 1 % changed' restore; do
    ratio "1 times the data: $what" "4 times the data: $what" 'at most 4'
    ratio "4 times the data: $what" "16 times the data: $what" 'at most 4'
done
