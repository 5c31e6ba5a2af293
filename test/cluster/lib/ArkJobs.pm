
=head1 ArkJobs

What tests do with running jobs: start one, wait until it is where the test wants it, look at its processes, and ask
afterwards how it ended. Functions of a node that ArkCluster made.

	my $job = start_job($node, q{SELECT job_id FROM ark.backup_now(database => 'app', wait => false)}, 'copy');
	kill 'KILL', $job->{engine};
	is(outcome($node, $job->{id})->{state}, 'failed', ...);

=cut

package ArkJobs;

use strict;
use warnings FATAL => 'all';

use Carp;
use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils ();
use Test::More;
use Time::HiRes qw(time sleep);

our @EXPORT =
  qw(ask until_true start_job outcome background finished is_alive descendants all_gone set_option took_less works hold_lock release_lock lock_behind restored_beside copy_is_free);

sub ask { my ($node, $sql, $database) = @_; return $node->safe_psql($database // $node->ark_database, $sql); }

sub until_true
{
	my ($node, $sql, $database) = @_;
	return 1 if $node->poll_query_until($database // $node->ark_database, $sql);
	croak "never became true: $sql\n" . ask($node, 'TABLE ark.progress');
}

# Starts the job that `sql` (a SELECT of its job_id) submits, and returns as soon as it is in `phase`:
# { id, worker, engine, others => [processes of the engine's own] }. 'copy' is: it has read something, and is not done with reading
# and sending; how much of the reading is left depends on the machine, unless a lock holds it up.
sub start_job
{
	my ($node, $sql, $phase) = @_;
	my $id = ask($node, $sql);
	return job_in_phase($node, $id, $phase);
}

sub job_in_phase
{
	my ($node, $id, $phase) = @_;
	my $is_there = !defined $phase ? 'engine_pid IS NOT NULL' : $phase eq 'copy' ? "phase IN ('copy', 'upload') AND done_bytes > 0" : "phase = '$phase'";
	until_true($node, "SELECT EXISTS (SELECT FROM ark.progress WHERE job_id = $id AND $is_there)"
		  . " OR (SELECT state NOT IN ('queued', 'running') FROM ark.job_history WHERE job_id = $id)");
	my ($worker, $engine) = split /\|/, ask($node, "SELECT worker_pid, engine_pid FROM ark.progress WHERE job_id = $id");
	croak "job $id ended too early: " . ask($node, "SELECT state, message, detail FROM ark.job_history WHERE job_id = $id") unless $engine;
	return { id => $id, worker => $worker, engine => $engine, others => [ descendants($engine) ] };
}

# How a job ended, once it has: { state, message, detail, hint, seconds, backup_id, restore_id }.
sub outcome
{
	my ($node, $id) = @_;
	until_true($node, "SELECT state NOT IN ('queued', 'running') FROM ark.job_history WHERE job_id = $id");
	my @names = qw(state message detail hint backup_id restore_id);
	my @values = split /\x01/, ask($node,
		'SELECT concat_ws(chr(1), ' . join(', ', map { "coalesce($_\::text, '')" } @names) . ") FROM ark.job_history WHERE job_id = $id"), -1;
	my %outcome;
	@outcome{@names} = @values;
	return \%outcome;
}

# A session that stays in a statement while the test goes on.
sub background
{
	my ($node, $sql, $database) = @_;
	my ($out, $err) = ('', '');
	my $harness = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($database // $node->ark_database), '-c', $sql ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
	return { harness => $harness, out => \$out, err => \$err };
}

# Waits for its end; { exit, out, err }.
sub finished
{
	my $session = shift;
	$session->{harness}->finish;
	return { exit => $session->{harness}->result || 0, out => ${ $session->{out} }, err => ${ $session->{err} } };
}

# A zombie has ended: its parent has only not looked yet.
sub is_alive
{
	open my $file, '<', "/proc/$_[0]/stat" or return 0;
	my $stat = <$file> // '';
	return $stat =~ /\) ([A-Z])/ && $1 ne 'Z';
}

# The processes that `pid` has started, and theirs.
sub descendants
{
	my $pid = shift;
	my %children;
	for my $stat (glob '/proc/[0-9]*/stat')
	{
		open my $file, '<', $stat or next;
		my $line = <$file> // next;
		push @{ $children{$3} }, $1 if $line =~ /^(\d+) \((.*)\) \S (\d+)/;
	}
	my @found = my @look = ($pid);
	while (my $one = shift @look)
	{
		push @found, @{ $children{$one} // [] };
		push @look, @{ $children{$one} // [] };
	}
	return @found[ 1 .. $#found ];
}

# Passes if none of the processes is there any more, at the latest after `seconds`.
sub all_gone
{
	my ($pids, $name, $seconds) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $deadline = time + ($seconds // 10);
	sleep 0.05 while time < $deadline && grep { is_alive($_) } @$pids;
	my @left = grep { is_alive($_) } @$pids;
	return ok(!@left, $name) || diag(map { "$_: " . do { local (@ARGV, $/) = "/proc/$_/cmdline"; <> } . "\n" } @left);
}

# With an undefined value: back to what postgresql.conf says.
sub set_option
{
	my ($node, $name, $value) = @_;
	ask($node, defined $value ? "ALTER SYSTEM SET $name = '$value'" : "ALTER SYSTEM RESET $name");
	$node->reload;
	until_true($node, defined $value ? "SELECT current_setting('$name') = '$value'"
		: "SELECT coalesce(sourcefile, '') !~ 'postgresql.auto.conf' FROM pg_settings WHERE name = '$name'");
	return;
}

# Tells a measured time; fails only for one that no slow machine explains.
sub took_less
{
	my ($began, $seconds, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $took = time - $began;
	diag(sprintf '%s: %.2f s', $name, $took);
	return cmp_ok($took, '<', $seconds, $name);
}

# A prepared transaction holds a lock without a session, as long as the test likes.
sub hold_lock
{
	my ($node, $database, $statement) = @_;
	return ask($node, "BEGIN; $statement; PREPARE TRANSACTION 'held by the test'", $database);
}
sub release_lock { my ($node, $database) = @_; return ask($node, q{ROLLBACK PREPARED 'held by the test'}, $database); }

# A session that waits behind the lock of a restore on `table`, and then lets no ANALYZE through: what comes after the restore's
# commit stands still until the returned function is called.
sub lock_behind
{
	my ($node, $database, $table) = @_;
	my $session = background($node, "BEGIN; LOCK TABLE $table IN SHARE UPDATE EXCLUSIVE MODE; SELECT pg_sleep(170)", $database);
	until_true($node, q{SELECT EXISTS (SELECT FROM pg_locks WHERE mode = 'ShareUpdateExclusiveLock' AND NOT granted)});
	return sub {
		ask($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%SHARE UPDATE EXCLUSIVE%' AND pid <> pg_backend_pid()});
		return finished($session);
	};
}

# Passes if the safety copy of a restore that was rolled back is not held any more, once all who may have to see to that have.
sub copy_is_free
{
	my ($node, $restore, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	until_true($node, 'SELECT NOT EXISTS (SELECT FROM ark_private.restore WHERE unused_copy IS NOT NULL)'
		  . q{ AND NOT EXISTS (SELECT FROM ark.job_history WHERE state IN ('queued', 'running'))});
	ask($node, 'SELECT * FROM ark.rebuild_catalog()');
	return is(ask($node, "SELECT count(*) FROM ark.backups WHERE label = 'before restore $restore' AND held AND ended_at IS NULL"), '0', $name);
}

# Brings a backup back with stock tools: a directory archive of it, and pg_restore into a new database. Options: env
# (of the engine), pg_restore (its flags). Returns the error, or ''.
sub restored_beside
{
	my ($node, $backup, $database, %options) = @_;
	my $archive = $node->basedir . "/archive-$database";
	my $export = $node->engine([ 'export', '--restore-point', $backup, '--output', $archive, '--quiet' ], %options);
	return "pg_ark export: $export->{err}" if $export->{exit};
	ask($node, qq{CREATE DATABASE "$database" TEMPLATE template0});
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'pg_restore', '--exit-on-error', @{ $options{pg_restore} // [] }, '-d', $node->connstr($database), $archive ], '<', \undef, '>', \$out, '2>', \$err);
	my $failed = $?;
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $archive);
	return $failed ? "pg_restore: $err" : '';
}

# Passes if a backup of the database can be taken and read again.
sub works
{
	my ($node, $database, $why) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $backup = $node->ark_ok("SELECT backup_id FROM ark.backup_now(database => '$database')", "the next backup works after $why");
	$node->ark_ok("SELECT state FROM ark.verify_backup('$backup')", 'and can be read again');
	return $backup;
}

1;
