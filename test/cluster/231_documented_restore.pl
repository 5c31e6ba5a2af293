# What docs/restore.md promises: on a machine with nothing but the store, the key and the packages, its one command brings the cluster back
# to a chosen second. The command is taken from the page; the moment is ours, the rest stands there word for word.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use IPC::Run;
use Test::More;
use Time::HiRes qw(time sleep);

my $page = PostgreSQL::Test::Utils::slurp_file(ArkCluster::tree() . '/docs/restore.md');
my ($command) = $page =~ /^## A whole cluster, to any moment\n.*?^```\n(.*?)^```/ms or die 'docs/restore.md has no command under "A whole cluster, to any moment"';
like($command, qr/--target-time '[^']+'/, 'the command of docs/restore.md names a moment');
unlike($command, qr/\.\.\.|…/, 'and leaves nothing out');

# Machines one after the other, with a disk each; all else that they share is reached by the same socket.
my $base = PostgreSQL::Test::Utils::tempdir();
my $line = ArkCluster->new('machines');
my ($major) = $line->pg_version =~ /^(\d+)/;
$command =~ s{/15/}{/$major/}g;
my $data = "/var/lib/postgresql/$major/main";
my $bin = "/usr/lib/postgresql/$major/bin";
mkdir "$base/store" or die $!;
PostgreSQL::Test::Utils::append_to_file("$base/key", unpack('H*', join '', map { chr int rand 256 } 1 .. 32) . "\n");
my @machines;
sub machine
{
	my $name = shift;
	mkdir "$base/$name" or die "$base/$name: $!";
	push @machines, $name;
	return $name;
}
# Runs commands there: { exit, told }.
sub on
{
	my ($machine, $commands) = @_;
	IPC::Run::run([ ArkCluster::tree() . '/test/support/bare_machine', "$base/$machine", "$base/store", "$base/key", $line->host, $commands ],
		'<', '/dev/null', '>', "$base/told", '2>&1', IPC::Run::timeout(180));
	return { exit => $? >> 8, told => PostgreSQL::Test::Utils::slurp_file("$base/told") };
}
sub server_of
{
	open my $file, '<', "$base/$_[0]/$major/main/postmaster.pid" or return;
	my $pid = <$file>;
	return int $pid;
}
sub lose
{
	my $machine = shift;
	my $server = server_of($machine) // return;
	my @processes = ($server, descendants($server));
	kill 'KILL', @processes;
	all_gone(\@processes, "machine $machine is gone");
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', "$base/$machine");
	unlink glob $line->host . '/.s.PGSQL.*';    # another machine has none of them
	return;
}
END
{
	my $status = $?;
	for (@machines) { my $server = server_of($_); kill 'QUIT', $server if $server; }
	$? = $status;
}

# The original.
my $original = machine('original');
mkdir "$base/original/$major" or die $!;
my $made = on($original, "$bin/initdb -D $data -N -A trust --wal-segsize=1 --data-checksums -E UTF8 --locale=C.UTF-8 && cat >> $data/postgresql.conf <<CONF && $bin/pg_ctl -D $data -l server.log -w -s start
port = ${\ $line->port}
listen_addresses = ''
unix_socket_directories = '${\ $line->host}'
fsync = off
wal_level = replica
track_commit_timestamp = on
autovacuum = off
shared_preload_libraries = 'pg_ark'
archive_mode = on
archive_library = 'pg_ark'
ark.store = 'file:///mnt/backups/prod'
ark.encryption_key = 'file:/etc/pg_ark/key'
ark.allow_same_disk_wal = on
ark.wal_ship_interval = '1s'
CONF
");
is($made->{exit}, 0, 'a cluster') or die $made->{told};
$line->safe_psql('postgres', 'CREATE EXTENSION pg_ark; CREATE TABLE log (id bigserial PRIMARY KEY, fill text)');
$line->load_sample('app');
my $rows = $line->digests('app');
my $taken = on($original, "pg_ark backup --kind physical --quiet --store file:///mnt/backups/prod --encryption-key file:/etc/pg_ark/key --conninfo 'host=${\ $line->host} port=${\ $line->port}'");
is($taken->{exit}, 0, 'with a base backup') or die $taken->{told};

# A client that notes what was acknowledged, and when.
open my $script, '>', "$base/script" or die $!;
print $script "INSERT INTO log (fill) SELECT repeat('x', 100) FROM pg_sleep(0.001) RETURNING id, extract(epoch FROM clock_timestamp());\n" for 1 .. 100_000;
close $script;
my $client = IPC::Run::start([ 'psql', '-XAtq', '-d', $line->connstr('postgres'), '-f', "$base/script" ], '<', '/dev/null', '>', "$base/acknowledged", '2>', '/dev/null');
$line->poll_query_until('postgres', 'SELECT count(*) > 200 FROM log') or die 'no rows';

# The second that is chosen: the one that begins next. What was committed until then is known once something later is.
my $chosen = $line->safe_psql('postgres', q{SELECT to_char((date_trunc('second', clock_timestamp()) + interval '1 s') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')});
$line->poll_query_until('postgres', "SELECT pg_xact_commit_timestamp(xmin) > '$chosen' FROM log ORDER BY id DESC LIMIT 1") or die 'no later rows';
my $until_chosen = $line->safe_psql('postgres', "SELECT count(*) FROM log WHERE pg_xact_commit_timestamp(xmin) <= '$chosen'");
$command =~ s/(--target-time ')[^']+/$1$chosen/;
my $second = machine('second');
my $dry_run = $command =~ s/--target-time/--dry-run --target-time/r =~ s/&&.*//sr;
my $known;
for (1 .. 300) { $known = on($second, $dry_run); last if $known->{exit} == 0; note($known->{told}); sleep 0.2; }
is($known->{exit}, 0, 'the store knows that moment') or die $known->{told};

# The disaster, in the middle of the work.
my $disaster = time;
lose($original);
eval { $client->finish };
my @acknowledged = map { [ split /\|/ ] } grep { /^\d+\|\d+\.\d+$/ } split /\n/, PostgreSQL::Test::Utils::slurp_file("$base/acknowledged");
cmp_ok(scalar @acknowledged, '>', $until_chosen, 'commits were acknowledged after the chosen second');

# Runs the command on an empty machine; returns in how many seconds somebody could write there.
sub brought_back
{
	my ($machine, $words, $name) = @_;
	my $began = time;
	my $result = on($machine, $words);
	is($result->{exit}, 0, $name) or die "$words\n$result->{told}" . on($machine, 'cat restored.log')->{told};
	$line->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
	$line->safe_psql('postgres', 'CREATE TABLE written ()');
	return time - $began;
}
my $seconds = brought_back($second, $command, "the command of docs/restore.md, to $chosen");
is($line->safe_psql('postgres', 'SELECT count(*), max(id) FROM log'), "$until_chosen|$until_chosen", 'all that was committed until then is there, and nothing later');
$line->same_rows('app', $rows, 'with every row of the other databases', without => qr/^sequence|session_cache/);
diag(sprintf 'RTO: %.1f s from the command to the first write, to a chosen second', $seconds);
lose($second);

# Without the moment it goes to the end.
my $third = machine('third');
$seconds = brought_back($third, $command =~ s/ --target-time '[^']+'//r, 'the same without --target-time');
my ($count, $last) = split /\|/, $line->safe_psql('postgres', 'SELECT count(*), max(id) FROM log');
cmp_ok($last, '>=', $until_chosen, 'goes as far as the store knew');
is($count, $last, 'without a hole');
my @lost = grep { $_->[0] > $last } @acknowledged;
my $age = sub { my $row = shift; return $row ? $disaster - $row->[1] : 0; };
diag(sprintf 'RTO: %.1f s from the command to the first write, to the end', $seconds);
diag(sprintf 'RPO with ark.wal_ship_interval = 1s: %d of %d acknowledged commits are lost, %.2f to %.2f s old when the machine was lost',
	scalar @lost, scalar @acknowledged, $age->($lost[-1]), $age->($lost[0]));
lose($third);
done_testing();
