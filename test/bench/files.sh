# A base backup of a cluster with many small files, and a cluster from it: the engine's memory may not grow with their number. They lie in
# a file system of their own: in memory, or with ARK_BENCH_FILES_ON=disk in a file that goes with it, since removing ten million files takes
# as long as making them. One directory holds 10,000 of them (ARK_BENCH_FILES_EACH), and once all. The source is gone before the restore.
# shellcheck shell=bash disable=SC2154
counts=${ARK_BENCH_FILES:-100000 1000000}
many=$cluster_home/data/many
back=$cluster_home/back
as_postgres mkdir "$many" "$back" "$cluster_home/stores/files"
store=file://$cluster_home/stores/files
as_postgres pg_ark init --quiet --store="$store"
ask postgres "ALTER SYSTEM SET archive_command = 'pg_ark wal-push --quiet --store=''$store'' %p'" > /dev/null
ask postgres 'SELECT pg_reload_conf()' > /dev/null
make_place() {    # directory, for how many files
    if [ "${ARK_BENCH_FILES_ON:-memory}" = memory ]; then
        mount -t tmpfs -o "size=90%,nr_inodes=0" pg_ark-bench "$1"
    else
        truncate -s $(((4 << 30) + $2 * 700)) "$cluster_home/image.${1##*/}"
        mkfs.ext4 -q -F -b 1024 -m 0 -O ^has_journal -E lazy_itable_init=1 -N $(($2 * 11 / 10 + 100000)) "$cluster_home/image.${1##*/}"
        mount -o loop,noatime,noinit_itable "$cluster_home/image.${1##*/}" "$1"
        rmdir "$1/lost+found"
    fi
    chown postgres: "$1"
    chmod 700 "$1"
}
drop_place() {
    umount "$1"
    rm -f "$cluster_home/image.${1##*/}"
}
make_files() {    # how many, how many in a directory
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
    for each in ${ARK_BENCH_FILES_EACH:-10000 "$count"}; do
        make_place "$many" "$count"
        make_files "$count" "$each"
        sleep 3    # what was changed just before a backup is read again by the next
        peak "base backup of $count files, $each a directory" backup --kind=physical --quiet --store="$store"
        [ "${ARK_BENCH_FILES_ON:-memory}" != memory ] || peak "base backup of $count files, nothing changed" backup --kind=physical --quiet --store="$store"
        drop_place "$many"
        make_place "$back" "$count"
        peak "restore of $count files, $each a directory" restore --quiet --store="$store" --pgdata="$back"
        [ "$(find "$back/many" -type f | wc -l)" = "$count" ] || { echo 'files are missing'; exit 1; }
        [ "$(cat "$back/many/000000/10")" = 'row 10' ] || { echo 'a file came back otherwise'; exit 1; }
        find "$back/many" -type f -size +0 | wc -l | grep -qx $(((count + 9) / 10)) || { echo 'files have lost what was in them'; exit 1; }
        drop_place "$back"
    done
done
