/**
 * What one statement that changes 10,000 reservations keeps of its speed: its time without us divided by its time with us
 * installed, one at a time, in turn. With `working` a daemon is there, and each statement waits until what the one
 * before left behind is folded, as a yearly clean-up meets it; with `silent` nobody folds: the trigger alone.
 */
import pg from 'pg';
import { startPostgres } from '../../src/sandbox/postgres.ts';
import { accompany, prepare, type Variant } from './booking-writes.ts';
import { median, type Figure } from './figures.ts';
import { diskSettings, pause } from './stage.ts';

const rows = 10_000;
const rounds = 5;
const each = 3;
const variants = ['silent', 'working'] as const;

/** Takes about 30 s. */
export async function measureBulkWrites(): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await startPostgres({ settings: diskSettings }));
  const sides = new Map<Variant | 'without', { url: string; client: pg.Client }>();
  for (const variant of ['without', ...variants] as const) {
    const url = await prepare(server.url, variant, rows);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    opened.defer(() => client.end());
    sides.set(variant, { url, client });
  }
  const time = async (variant: Variant | 'without') => {
    const { url, client } = sides.get(variant)!;
    await using _ = await accompany(variant, url);
    const took: number[] = [];
    for (let n = 0; n < each; n += 1) {
      if (variant !== 'without') await folded(client, variant);
      const from = performance.now();
      await client.query(`UPDATE bb_event SET name = 'all at ' || clock_timestamp()`);
      took.push(performance.now() - from);
    }
    return median(took);
  };
  const kept = new Map<Variant, number[]>(variants.map((variant) => [variant, []]));
  for (let round = -1; round < rounds; round += 1) {
    const base = await time('without');
    for (const variant of variants) {
      const ratio = base / (await time(variant));
      if (round >= 0) kept.get(variant)!.push(ratio); // the first round warms up
    }
  }
  return variants.map((variant) => ({
    what: `statement of ${rows} rows, speed kept, ${variant}`,
    values: kept.get(variant)!,
    target: variant === 'working' ? '≥ 0.40' : '–',
  }));
}

async function folded(client: pg.Client, variant: Variant): Promise<void> {
  if (variant === 'silent') await client.query('TRUNCATE bridge_changes');
  for (;;) {
    const { rows } = await client.query<{ left: boolean }>(
      'SELECT EXISTS (SELECT FROM bridge_changes) AS left',
    );
    if (!rows[0]!.left) return;
    await pause(20);
  }
}
