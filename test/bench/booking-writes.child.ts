/** The booking system of `booking-writes.ts`, in a process of its own: writers that each change events one by one. */
import pg from 'pg';

export interface Slice {
  readonly url: string;
  readonly writers: number;
  readonly ms: number;
}

const clients = new Map<string, pg.Client[]>();

async function clientsOf({ url, writers }: Slice): Promise<readonly pg.Client[]> {
  const open = clients.get(url) ?? [];
  clients.set(url, open);
  while (open.length < writers) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    open.push(client);
  }
  return open.slice(0, writers);
}

/** Committed transactions per second. */
async function write(slice: Slice): Promise<number> {
  const writers = await clientsOf(slice);
  const until = performance.now() + slice.ms;
  let commits = 0;
  const work = async (client: pg.Client, writer: number) => {
    // each writer has events of its own, so that they never wait for each other
    for (let id = writer; performance.now() < until; id += slice.writers) {
      await client.query({
        name: 'change_event',
        text: `UPDATE bb_event SET name = 'event at ' || clock_timestamp() WHERE id = $1`,
        values: [1 + (id % 1_920)],
      });
      commits += 1;
    }
  };
  const from = performance.now();
  await Promise.all(writers.map(work));
  return (commits / (performance.now() - from)) * 1_000;
}

process.on('message', (slice: Slice) => {
  void write(slice).then((perSecond) => process.send?.(perSecond));
});
process.on('disconnect', () => process.exit());
