# Waiting for a job: what a timeout, a cancel, a lost client and a ROLLBACK do to it, and how jobs queue.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use IPC::Run;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = ArkCluster->make('primary', conf => "max_prepared_transactions = 4\nmax_worker_processes = 16\n");
$node->load_sample('app');

# A prepared transaction holds a lock without a session: the export waits for it as long as the test likes.
sub block { $node->safe_psql('app', q{BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'block'}); }
sub unblock { $node->safe_psql('app', q{ROLLBACK PREPARED 'block'}); }
sub ask { return $node->safe_psql('postgres', $_[0]); }
sub last_job { return ask('SELECT max(job_id) FROM ark.job_history'); }
sub state_of { return ask("SELECT state FROM ark.job_history WHERE job_id = $_[0]"); }

# A session that stays in a statement while the test goes on.
sub background
{
	my $sql = shift;
	my ($out, $err) = ('', '');
	my $harness = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $sql ], '<', \undef, '>', \$out, '2>', \$err);
	return { harness => $harness, out => \$out, err => \$err };
}
sub finish { my $session = shift; $session->{harness}->finish; return ${ $session->{err} }; }
sub wait_for_job
{
	my ($state, $action) = @_;
	$node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM ark.progress WHERE state = '$state' AND action = '$action')")
	  or die "no $action is $state";
	return ask("SELECT max(job_id) FROM ark.progress WHERE state = '$state' AND action = '$action'");
}

my $backup = q{SELECT state FROM ark.backup_now(database => 'app')};
is($node->ark_ok($backup, 'a backup that is waited for'), 'done', 'is done when the statement returns');

block();
my $session = background($backup);
my $job = wait_for_job('running', 'backup');
my $began = time;
ask(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%backup_now%' AND pid <> pg_backend_pid() AND backend_type = 'client backend'});
my $said = finish($session);
my $took = time - $began;
like($said, qr/canceling statement due to user request/, 'an explicit cancel ends the statement');
like($said, qr/DETAIL:.*Job $job was cancelled: nothing changed/, 'and says that nothing changed');
is(state_of($job), 'cancelled', 'and ends the job');
cmp_ok($took, '<', 1, sprintf('within a second (%.2f s)', $took));

$said = $node->ark_fails("SET statement_timeout = '500ms'; $backup", qr/canceling statement due to statement timeout/, 'a statement_timeout ends the statement');
$job = wait_for_job('running', 'backup');
like($said, qr/job $job goes on/, 'and says which job goes on');
is(state_of($job), 'running', 'which it does');

# The second of a kind queues, and says behind which.
my $second = ask(q{SELECT job_id FROM ark.backup_now(database => 'app', wait => false)});
is(state_of($second), 'queued', 'a second backup of the same database is queued');
$node->poll_query_until('postgres', "SELECT waiting_for LIKE 'job $job,%' FROM ark.progress WHERE job_id = $second");
is(ask("SELECT waiting_for FROM ark.progress WHERE job_id = $second"), "job $job, which is the same backup", 'behind the first');
my $third = ask(q{BEGIN; SELECT job_id FROM ark.backup_now(database => 'app', wait => false); ROLLBACK});
is(state_of($third), 'queued', 'a ROLLBACK does not erase a job');
is(ask("SELECT state FROM ark.cancel_job($third, 'not needed')"), 'cancelling', 'a queued job can be cancelled');
$node->poll_query_until('postgres', "SELECT state = 'cancelled' FROM ark.job_history WHERE job_id = $third");
like(ask("SELECT detail FROM ark.job_history WHERE job_id = $third"), qr/not needed; it had not begun, nothing changed/, 'with the reason that was given');
# Another database, and what is no backup, do not wait.
$node->safe_psql('postgres', 'CREATE DATABASE other');
is(ask(q{SELECT state FROM ark.backup_now(database => 'other')}), 'done', 'another database is backed up meanwhile');
is(ask(q{SELECT state FROM ark.annotate_backup((SELECT max(backup_id) FROM ark.backups WHERE database = 'other'), label => 'meanwhile')}), 'done', 'and small jobs do not queue');
$began = time;
$node->safe_psql('postgres', 'DROP DATABASE other');
cmp_ok(time - $began, '<', 3, 'DROP DATABASE of another database is not held up');

# A client that is gone leaves the job at work.
$session = background(q{SELECT * FROM ark.backup_now(database => 'app', label => 'third')});
$node->poll_query_until('postgres', q{SELECT count(*) = 3 FROM ark.progress});
my $fourth = ask('SELECT max(job_id) FROM ark.progress');
$session->{harness}->kill_kill;
unblock();
$node->poll_query_until('postgres', "SELECT state = 'done' FROM ark.job_history WHERE job_id = $fourth") or diag(state_of($fourth));
is(state_of($_), 'done', "job $_ ended well") for $job, $second, $fourth;

# What a transaction has not committed, a backup would not hold.
$node->ark_fails("BEGIN; CREATE TABLE unfinished (id integer); $backup", qr/this transaction has written/, 'a transaction that has written is refused');
$node->safe_psql('postgres', 'CREATE TABLE here (id integer)');
$node->ark_fails('BEGIN; LOCK TABLE here IN ACCESS EXCLUSIVE MODE; SELECT ark.backup_now()', qr/holds a lock that the backup would wait for: public\.here/,
	'and one that holds a lock that the backup would wait for');
is($node->ark_ok("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; $backup; COMMIT", 'an older snapshot does not matter'), "1\ndone", 'the outcome is seen all the same');
is($node->ark_ok("BEGIN READ ONLY; $backup; COMMIT", 'nor does a read-only transaction'), 'done', 'since the job is not part of it');

# A failure of the engine is an error of the statement, with its SQLSTATE, detail and hint.
$said = $node->ark_fails(q{\set VERBOSITY verbose
	SELECT * FROM ark.restore_entities('clients', restore_point => 'no such backup', database => 'app')}, qr/there is no backup "no such backup"/, 'a failed job raises an error');
like($said, qr/HINT/, 'with a hint');
is(state_of(last_job()), 'failed', 'and is history');

is(ask('SELECT count(*) FROM ark.check_audit_log()'), '0', 'the audit log is whole');
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM ark.audit_log WHERE chain IS NULL');
cmp_ok(ask('SELECT count(*) FROM ark.audit_log'), '>=', 8, 'and tells of every job');
$node->safe_psql('postgres', q{ALTER TABLE ark_private.audit_log DISABLE TRIGGER USER; UPDATE ark_private.audit_log SET actor = 'somebody else' WHERE id = 3});
is(ask('SELECT id, problem FROM ark.check_audit_log()'), '3|it was changed', 'a changed row is found');
$node->stop;

done_testing();
