# A base backup of a cluster with many small files, and a cluster from it: the engine's memory may not grow with their number. They lie in
# a file system in memory; one directory holds 10,000 of them, and once all.
# shellcheck shell=bash disable=SC2154
counts=${ARK_BENCH_FILES:-100000 1000000}
many=$cluster_home/data/many
as_postgres mkdir "$many" "$cluster_home/stores/files"
store=file://$cluster_home/stores/files
as_postgres pg_ark init --quiet --store="$store"
ask postgres "ALTER SYSTEM SET archive_command = 'pg_ark wal-push --quiet --store=''$store'' %p'" > /dev/null
ask postgres 'SELECT pg_reload_conf()' > /dev/null
make_files() {    # how many, how many in a directory
    mount -t tmpfs -o "size=90%,nr_inodes=0,mode=700,uid=$(id -u postgres)" pg_ark-bench "$many"
    as_postgres python3 -c '
import os, sys
top, count, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for i in range(count):
    directory = "%s/%06d" % (top, i // each)
    if i % each == 0: os.mkdir(directory)
    file = os.open("%s/%d" % (directory, i), os.O_WRONLY | os.O_CREAT, 0o600)
    if i % 10 == 0: os.write(file, b"row %d" % i)    # the others are empty: pages of memory are scarce
    os.close(file)' "$many" "$1" "$2"
}
printf '\nPeak memory of the engine, by the number of files\n'
for count in $counts; do
    for each in 10000 "$count"; do
        make_files "$count" "$each"
        peak "base backup of $count files, $each a directory" backup --kind=physical --quiet --store="$store"
        peak "base backup of $count files, nothing changed" backup --kind=physical --quiet --store="$store"
        mkdir -p "$cluster_home/back"
        mount -t tmpfs -o "size=90%,nr_inodes=0,mode=700,uid=$(id -u postgres)" pg_ark-bench "$cluster_home/back"
        peak "restore of $count files, $each a directory" restore --quiet --store="$store" --pgdata="$cluster_home/back"
        [ "$(find "$cluster_home/back/many" -type f | wc -l)" = "$count" ] || { echo 'files are missing'; exit 1; }
        umount "$cluster_home/back" "$many"
    done
done
