# archive_library = 'pg_ark': every segment arrives once, as it was, whatever dies or goes away meanwhile; and whoever waits for the server
# never waits for a slow store.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use File::Compare;
use File::Copy;
use Test::More;
use Time::HiRes qw(time sleep);

my $base = PostgreSQL::Test::Utils::tempdir();
my @small = (extra => [ '--wal-segsize=1', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);

# A server whose WAL stays in pg_wal, to compare with.
sub make_server
{
	my ($name, $conf) = @_;
	my $node = ArkCluster->new($name);
	$node->init(allows_streaming => 1, @small);
	mkdir $node->store or die $node->store . ": $!";
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_ark'\narchive_mode = on\narchive_command = ''\narchive_library = 'pg_ark'\n"
		  . "wal_keep_size = 1000\nmax_wal_size = 2000\nautovacuum = off\nrestart_after_crash = on\nark.allow_same_disk_wal = on\nark.store = 'file://" . $node->store . "'\n" . ($conf // ''));
	$node->start;
	return $node;
}
sub says { my ($node, $what) = @_; return PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ $what; }
sub pid_of { my $node = shift; return ask($node, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'archiver'}); }
sub engine_of { my $node = shift; return (descendants(pid_of($node)))[0]; }

# Some WAL that does not compress, in `segments` segments of 1 MB.
sub write_wal
{
	my ($node, $segments) = @_;
	ask($node, q{CREATE TABLE IF NOT EXISTS log (at timestamptz DEFAULT clock_timestamp(), data bytea)});
	ask($node, q{INSERT INTO log (data) SELECT decode(string_agg(md5(random()::text), ''), 'hex') FROM generate_series(1, 500) AS i, generate_series(1, 100) AS j GROUP BY i; SELECT pg_switch_wal()})
	  for 1 .. $segments;
	return;
}

# All that was written so far is archived.
sub drained
{
	my ($node, $why) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ask($node, 'SELECT pg_switch_wal()');
	my $segment = ask($node, 'SELECT pg_walfile_name(pg_switch_wal() - 1)');
	my $is_there = $node->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver");
	ok($is_there, $why) or diag(ask($node, 'TABLE pg_stat_archiver'));
	return;
}

# Everything that the server takes for archived is in the store, once and as it was; and there is no hole. What was compared before is
# compared again with `again`.
my %compared;
sub all_archived
{
	my ($node, $why, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $wal = $node->data_dir . '/pg_wal';
	my @done = map { m{([^/]+)\.done$} } glob "$wal/archive_status/*.done";
	@done = grep { !$compared{ $node->name . $_ }++ } @done unless $options{again};
	my @wrong;
	for my $name (@done)
	{
		my $got = $node->engine([ 'wal-fetch', '--quiet', '--pgdata', $node->data_dir, $name, "$base/back" ]);
		push @wrong, "$name: exit $got->{exit} $got->{err}" if $got->{exit} != 0;
		push @wrong, "$name differs" if $got->{exit} == 0 && compare("$wal/$name", "$base/back") != 0;
		unlink "$base/back";
	}
	my @stored = sort map { m{/wal/(?:\w+)/(\w{24})$} } glob $node->store . '/*/wal/*/*';
	push @wrong, map { "$_ is stored and not asked for" } grep { !-e "$wal/archive_status/$_.done" && !-e "$wal/archive_status/$_.ready" } @stored;
	my @numbers = map { hex(substr $_, 8, 8) * 4096 + hex(substr $_, 16) } @stored;
	for my $i (1 .. $#numbers) { push @wrong, "hole before $stored[$i]" if $numbers[$i] != $numbers[ $i - 1 ] + 1; }
	return ok(@done > 0 && !@wrong, $why . ' (' . @done . ' files)') || diag(join "\n", @wrong);
}

# From nothing: what is missing is told, by the log and by the view, and nothing is lost.
my $node = make_server('primary', "ark.allow_same_disk_wal = off\n");
ask($node, 'CREATE EXTENSION pg_ark');
ask($node, 'CREATE TABLE t AS SELECT 1 AS id; SELECT pg_switch_wal()');
until_true($node, q{SELECT failing_since IS NOT NULL FROM ark.wal_archive});
like(ask($node, 'SELECT mode, last_error FROM ark.wal_archive'), qr/^module\|archiving is not configured: ark.store is on the disk of the data directory/, 'an archive beside the data directory has to be allowed');
ok(says($node, qr/WARNING:  (pg_ark archives no WAL|.*archiving is not configured)\n.*DETAIL:  ark.store is on the disk/), 'the log says so too');
set_option($node, 'ark.allow_same_disk_wal', 'on');
until_true($node, q{SELECT last_error ~ 'there is no repository' FROM ark.wal_archive});
like(ask($node, 'SELECT hint FROM ark.wal_archive'), qr/take a first backup/, 'a store without a repository is told, with what to do');
ok(says($node, qr/WARNING:  could not archive WAL file "\w+": there is no repository in store .*\n.*HINT:  .*take a first backup/), 'in the log too');
like(ask($node, q{SELECT array_to_string(problems, ' ') FROM ark.status}), qr/critical: WAL is not archived since .*there is no repository/, 'and it is a problem of ark.status');
is($node->engine([ 'init', '--quiet' ])->{exit}, 0, 'pg_ark init');
drained($node, 'what waited is archived');
is(ask($node, 'SELECT mode, backlog_segments, backlog_bytes, lag IS NULL, failing_since IS NULL, last_error IS NULL, hint IS NULL, last_archived_at > now() - interval \'1 hour\' FROM ark.wal_archive'),
	'module|0|0|t|t|t|t|t', 'and the view is content');

# Many at once.
my $archiver = pid_of($node);
my $engine = engine_of($node);
ok($engine, 'one engine stands behind the archiver');
write_wal($node, 40);
drained($node, 'many segments are archived');
is(engine_of($node), $engine, 'by the same engine');
cmp_ok(ask($node, 'SELECT ahead_count FROM ark_private.archive_state()'), '>', 0, 'some of them before they were asked for');
all_archived($node, 'each as it was');

# The engine dies in the middle of its work.
set_option($node, 'ark.max_rate', '1500kB');
for my $round (1 .. 3)
{
	write_wal($node, 3);
	$node->poll_query_until('postgres', q{SELECT backlog_segments > 0 FROM ark.wal_archive}) or die;
	my ($victim) = engine_of($node);
	kill 'KILL', $victim if $victim;
}
drained($node, 'an engine that is killed is started again');
is(pid_of($node), $archiver, 'and the archiver is the same');
ok(says($node, qr/LOG:  the engine that archives WAL ended, and is started again\n.*DETAIL:  The engine was ended by signal 9/), 'the log says it');
all_archived($node, 'nothing is lost or doubled');

# The store is gone, and back.
set_option($node, 'ark.max_rate', undef);
rename $node->store, $node->store . '.away' or die $!;
write_wal($node, 12);
until_true($node, q{SELECT failing_since IS NOT NULL FROM ark.wal_archive});
like(ask($node, q{SELECT failed_wal IS NOT NULL, backlog_segments > 0, backlog_bytes = backlog_segments << 20, lag IS NOT NULL, last_error <> '' FROM ark.wal_archive}), qr/^t\|t\|t\|t\|t$/, 'a store that is away is told');
my $from = ask($node, 'SELECT last_archived_wal FROM pg_stat_archiver');
rename $node->store . '.away', $node->store or die $!;
drained($node, 'when it is back, what waited is archived');
is(ask($node, 'SELECT failing_since IS NULL AND last_error IS NULL FROM ark.wal_archive'), 't', 'and all is well');
all_archived($node, 'nothing is lost or doubled');

# A slow store. Each segment takes minutes: nobody may wait for that.
sub in_mid_upload
{
	my ($node, $rate, $segments) = @_;
	set_option($node, 'ark.max_rate', $rate);
	write_wal($node, $segments);
	until_true($node, q{SELECT wait_event = 'Extension' AND backlog_segments > 0 FROM pg_stat_activity, ark.wal_archive WHERE backend_type = 'archiver'});
	return;
}
in_mid_upload($node, '16kB', 3);
ask($node, 'CREATE DATABASE other');
my $began = time;
ask($node, 'DROP DATABASE other');
took_less($began, 30, 'DROP DATABASE while an upload is slow');
$began = time;
$node->stop('fast');
took_less($began, 50, 'a fast shutdown while an upload is slow');
ok(says($node, qr/LOG:  WAL file "\w+" and those behind it are archived after the next start/), 'what is left is told');
ok(scalar(() = glob $node->data_dir . '/pg_wal/archive_status/*.ready') > 0, 'and waits');
$node->append_conf('postgresql.auto.conf', "ark.max_rate = 0\n");
$node->start;
drained($node, 'for the next start');
all_archived($node, 'nothing is lost or doubled');

# The store is away at the end.
rename $node->store, $node->store . '.away' or die $!;
write_wal($node, 3);
until_true($node, q{SELECT failing_since IS NOT NULL FROM ark.wal_archive});
$began = time;
$node->stop('fast');
took_less($began, 50, 'a fast shutdown while the store is away');
rename $node->store . '.away', $node->store or die $!;
$node->start;
drained($node, 'the rest is archived after the next start');

# An upload that ends within the time that a shutdown has: the archiver must not sleep through the signal that came meanwhile.
in_mid_upload($node, '200kB', 1);
$began = time;
$node->stop('fast');
took_less($began, 50, 'a fast shutdown in mid-upload');
$node->append_conf('postgresql.auto.conf', "ark.max_rate = 0\n");
$node->start;
drained($node, 'all is archived');
all_archived($node, 'nothing is lost or doubled');

# The archiver itself is killed: the server starts all its processes again.
for my $round (1 .. 2)
{
	write_wal($node, 2);
	my $victim = pid_of($node);
	my $its_engine = engine_of($node);
	kill 'KILL', $victim;
	all_gone([ grep { defined } $victim, $its_engine ], 'an archiver that is killed takes its engine along');
	$node->poll_query_until('postgres', 'SELECT true') or die;
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'archiver' AND pid <> $victim") or die;
}
drained($node, 'the next one goes on');
# ... and the whole server.
write_wal($node, 2);
$node->kill9;
for (1 .. 100)
{
	$node->{_pid} = undef;
	last if $node->start(fail_ok => 1);
	sleep 0.1;
}
drained($node, 'after a crash of the server too');
all_archived($node, 'nothing is lost or doubled');

# To a command and back, by reload.
my $bindir = $node->config_data('--bindir');
ask($node, "ALTER SYSTEM SET archive_command = '$bindir/pg_ark wal-push --quiet --store=file://" . $node->store . " %p'");
set_option($node, 'archive_library', '');
write_wal($node, 3);
drained($node, 'a reload changes to archive_command');
is(ask($node, 'SELECT store IS NULL, mode, backlog_segments, failing_since IS NULL, last_archived_wal IS NOT NULL FROM ark.wal_archive'), 't|command|0|t|t', 'which the view shows');
set_option($node, 'archive_command', 'false');
write_wal($node, 1);
until_true($node, q{SELECT failing_since IS NOT NULL FROM ark.wal_archive});
like(ask($node, 'SELECT last_error, hint FROM ark.wal_archive'), qr/^archive_command failed at .*\|the server log says why$/, 'with its failures');
set_option($node, 'archive_command', undef);
set_option($node, 'archive_library', 'pg_ark');
write_wal($node, 3);
drained($node, 'and another one back');
is(ask($node, 'SELECT mode FROM ark.wal_archive'), 'module', 'as the view says');
all_archived($node, 'nothing is lost or doubled');
set_option($node, 'ark.enabled', 'off');
write_wal($node, 2);
until_true($node, q{SELECT last_error ~ 'pg_ark is switched off' FROM ark.wal_archive});
set_option($node, 'ark.enabled', 'on');
drained($node, 'what was written while pg_ark was switched off is archived afterwards');
all_archived($node, 'every file of all this is in the store as it was', again => 1);

# Another server has the path: this one writes nothing more, keeps its WAL, and says so.
my $other = ArkCluster->new('other');
$node->backup('base');
$other->init_from_backup($node, 'base');
$other->append_conf('postgresql.conf', "ark.store = 'file://" . $node->store . "'\n");
$other->start;
is(ask($other, 'SELECT 1'), '1', 'a copy');
write_wal($other, 1);
$other->poll_query_until('postgres', q{SELECT failing_since IS NOT NULL FROM ark.wal_archive}) or die;
like(ask($other, 'SELECT last_error FROM ark.wal_archive'), qr/this server may not write to .* belongs to another one/, 'archives nothing');
$other->stop;
drained($node, 'the owner goes on');

unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/archiver process \(PID \d+\) exited with exit code/, 'no error has ended the archiver');
$node->stop;

# A package is upgraded while its server runs: other files under the same names.
sub install
{
	my ($from, $to) = @_;
	copy($from, "$to.new") or die "$to: $!";
	chmod 0755, "$to.new";
	rename "$to.new", $to or die "$to: $!";
	return;
}
sub mapped { my ($node, $what) = @_; my $pid = (split /\n/, PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postmaster.pid'))[0];
	return join ' ', grep { m{\Q$what\E} } split /\n/, PostgreSQL::Test::Utils::slurp_file("/proc/$pid/maps"); }
my ($library, $program) = ($node->config_data('--pkglibdir') . '/pg_ark.so', "$bindir/pg_ark");
mkdir "$base/lib" or die $!;
install($library, "$base/lib/pg_ark.so");
my $upgraded = make_server('upgraded', "dynamic_library_path = '$base/lib:\$libdir'\nark.engine_path = '$base/pg_ark'\n");
like(mapped($upgraded, "$base/lib/pg_ark.so"), qr/./, 'a server with a library of its own');
ask($upgraded, 'SELECT pg_switch_wal()');
$upgraded->poll_query_until('postgres', 'SELECT failed_count > 0 FROM pg_stat_archiver') or die;
ok(says($upgraded, qr/WARNING:  could not archive WAL file "\w+": could not find the engine program/), 'a program that is not there is told');
$archiver = pid_of($upgraded);
install($program, "$base/pg_ark");
is($upgraded->engine([ 'init', '--quiet' ])->{exit}, 0, 'pg_ark init');
write_wal($upgraded, 2);
drained($upgraded, 'and once it is there, all is archived');
is(pid_of($upgraded), $archiver, 'by the same archiver');
$engine = engine_of($upgraded);
install($program, "$base/pg_ark");
install($library, "$base/lib/pg_ark.so");
write_wal($upgraded, 2);
drained($upgraded, 'archiving goes on through an upgrade');
is(engine_of($upgraded), $engine, 'by the old program');
kill 'KILL', $engine;
write_wal($upgraded, 2);
drained($upgraded, 'and by the new one');
unlike(readlink '/proc/' . engine_of($upgraded) . '/exe', qr/deleted/, 'when that is started');
set_option($upgraded, 'archive_library', '');
set_option($upgraded, 'archive_library', 'pg_ark');
write_wal($upgraded, 2);
drained($upgraded, 'by a new archiver too');
like(mapped($upgraded, "$base/lib/pg_ark.so"), qr/deleted/, 'with the library that the server has loaded');
$upgraded->restart;
unlike(mapped($upgraded, "$base/lib/pg_ark.so"), qr/deleted/, 'until it is restarted');
write_wal($upgraded, 2);
drained($upgraded, 'archiving goes on');
all_archived($upgraded, 'nothing is lost or doubled');

# A library and a command: 15 lets the library win, later servers end the archiver.
ask($upgraded, 'CREATE EXTENSION pg_ark');
ask($upgraded, q{ALTER SYSTEM SET archive_command = 'true'});
$upgraded->restart;
write_wal($upgraded, 2);
if ($upgraded->pg_version < 16)
{
	drained($upgraded, 'the library wins over a command');
}
else
{
	until_true($upgraded, q{SELECT backlog_segments > 0 AND failing_since IS NOT NULL FROM ark.wal_archive});
	like(ask($upgraded, 'SELECT last_error FROM ark.wal_archive'), qr/^archiving is not configured: archive_command is set beside archive_library/, 'a library and a command: the view says that the server refuses it');
}
set_option($upgraded, 'archive_command', undef);
drained($upgraded, 'without the command all is archived');
all_archived($upgraded, 'nothing is lost or doubled');
done_testing();
