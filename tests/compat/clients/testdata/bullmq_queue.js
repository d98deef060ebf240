// BullMQ: jobs with priorities, delays, retries and parents, all of it scripts over lists, sorted sets and streams.
const { Queue, Worker, QueueEvents, FlowProducer } = require('bullmq')
const assert = require('assert')
const [host, port] = process.argv.slice(2)
console.log('library bullmq ' + require('bullmq/package.json').version)

const connection = { host, port: Number(port) }

async function check (name, run) {
  try {
    await run()
    console.log('ok ' + name)
  } catch (e) {
    console.log(`FAILED ${name}: ${String(e.message).split('\n').join(' ')}`)
  }
}

async function main () {
  const queue = new Queue('jobs', { connection })
  const events = new QueueEvents('jobs', { connection })

  await check('connect', async () => {
    await queue.waitUntilReady()
    await events.waitUntilReady()
    assert.equal((await queue.getJobCounts()).waiting, 0)
  })

  let tries = 0
  const order = []
  const worker = new Worker('jobs', async job => {
    if (job.name === 'flaky' && ++tries < 3) throw new Error('not yet')
    order.push(job.name)
    return job.data.n * 2
  }, { connection, autorun: false })
  await worker.waitUntilReady()

  await check('queue', async () => {
    const low = await queue.add('low', { n: 1 }, { priority: 10 })
    const high = await queue.add('high', { n: 2 }, { priority: 1 })
    const late = await queue.add('late', { n: 3 }, { delay: 300 })
    const flaky = await queue.add('flaky', { n: 4 }, { attempts: 3, backoff: 10, priority: 20 })
    worker.run()
    const got = await Promise.all([low, high, late, flaky].map(j => j.waitUntilFinished(events, 20000)))
    assert.deepEqual(got, [2, 4, 6, 8])
    assert.ok(order.indexOf('high') < order.indexOf('low'), 'priorities: ' + order)
    assert.equal(tries, 3)
    const many = await queue.addBulk([...Array(200).keys()].map(n => ({ name: 'bulk', data: { n } })))
    assert.deepEqual(await Promise.all(many.map(j => j.waitUntilFinished(events, 20000))), [...Array(200).keys()].map(n => 2 * n))
  })

  await check('transaction', async () => {
    const flow = new FlowProducer({ connection })
    const tree = await flow.add({ name: 'parent', queueName: 'jobs', data: { n: 10 }, children: [{ name: 'child', queueName: 'jobs', data: { n: 20 } }] })
    assert.equal(await tree.job.waitUntilFinished(events, 20000), 20)
    assert.deepEqual(Object.values(await tree.job.getChildrenValues()), [40])
    await flow.close()
  })

  await check('blocking', async () => { // the worker waits for the next job, which nobody announces
    const job = await queue.add('alone', { n: 21 })
    assert.equal(await job.waitUntilFinished(events, 20000), 42)
  })

  await check('lock', async () => {
    const counts = await queue.getJobCounts('active', 'failed', 'completed')
    assert.deepEqual([counts.active, counts.failed], [0, 0])
    await queue.obliterate({ force: true })
  })

  await Promise.all([worker.close(), events.close(), queue.close()])
}

main().then(() => process.exit(0))
