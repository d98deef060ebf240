# Sidekiq: jobs that a pool of threads in this process takes and runs, what failed, what is due later, and the interface
# that its web pages use.
require 'sidekiq'
require 'sidekiq/api'
require 'sidekiq/cli' # makes this process a server
require 'sidekiq/launcher'

host, port = ARGV
$stdout.sync = true
puts "library Sidekiq #{Sidekiq::VERSION}"

def check(name)
  yield
  puts "ok #{name}"
rescue StandardError => e
  puts "FAILED #{name}: #{e.class}: #{e.message.tr("\n", ' ')}"
end

def same(got, want)
  raise "#{got.inspect} instead of #{want.inspect}" unless got == want
end

def wait_for(what)
  ends = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 60
  until yield
    raise "in vain: #{what}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > ends
    sleep 0.005
  end
end

class Plain
  include Sidekiq::Worker
  def perform(n)
    Sidekiq.redis { |r| r.sadd?('done', n) }
  end
end

class Hopeless
  include Sidekiq::Worker
  sidekiq_options retry: 0
  def perform
    raise 'no'
  end
end

class Flaky
  include Sidekiq::Worker
  def perform
    raise 'not now' if Sidekiq.redis { |r| r.incr('tries') } == 1
  end
end

Sidekiq.logger.level = Logger::FATAL
Sidekiq.configure_server { |c| c.redis = { url: "redis://#{host}:#{port}/0" } }
queue, later, failed, dead = Sidekiq::Queue.new, Sidekiq::ScheduledSet.new, Sidekiq::RetrySet.new, Sidekiq::DeadSet.new

check('connect') do
  same(Sidekiq.redis(&:ping), 'PONG')
  same(Sidekiq.redis_info['redis_mode'], 'standalone')
end

check('pipeline') do
  Sidekiq::Client.push_bulk('class' => Plain, 'args' => (1..100).map { |n| [n] })
  same(queue.size, 100)
  same(queue.first.args, [100]) # the last one that will be taken
  queue.find { |j| j.args == [7] }.delete
  same(Sidekiq::Stats.new.queues, 'default' => 99)
end

check('transaction') do # a job that moves from one place to another
  id = Plain.perform_in(3600, 7)
  same([later.size, later.first.args], [1, [7]])
  later.find_job(id).add_to_queue
  same([later.size, queue.size], [0, 100])
end

check('script') do # what is due goes to its queue
  Plain.perform_at(Time.now + 0.01, 101)
  same(later.size, 1)
  poller = Sidekiq::Scheduled::Enq.new
  wait_for('a job that is due') { poller.enqueue_jobs; later.size == 0 }
  same(queue.size, 101)
end

options = Sidekiq.options.merge(queues: %w[critical default], concurrency: 4, timeout: 1)
launcher = Sidekiq::Launcher.new(options)
launcher.run

check('queue') do
  Hopeless.perform_async
  Flaky.perform_async
  wait_for('101 jobs') { Sidekiq.redis { |r| r.scard('done') } == 101 }
  wait_for('a job given up') { dead.size == 1 }
  same([dead.first.klass, dead.first['error_message']], %w[Hopeless no])
  wait_for('a job to try again') { failed.size == 1 }
  failed.retry_all
  wait_for('the second try') { Sidekiq.redis { |r| r.get('tries') } == '2' }
  same([queue.size, failed.size], [0, 0])
end

check('blocking') do # the threads wait for jobs of both queues
  wait_for('waiting threads') { Sidekiq.redis { |r| r.info('clients')['blocked_clients'] } == '4' }
  Plain.set(queue: 'critical').perform_async(102)
  wait_for('the job') { Sidekiq.redis { |r| r.sismember('done', 102) } }
end

launcher.stop
