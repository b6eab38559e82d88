/** A world whose daemon is called by the simulated tenant over real HTTP. */
import type { Config } from '../../src/config.ts';
import type { Fact } from '../../src/facts.ts';
import { freePort } from '../../src/sandbox/postgres.ts';
import { startService, type RunningService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { openWorld, rooms } from './world.ts';

export async function openCalled(env: Readonly<Record<string, string>> = {}) {
  await using opened = new AsyncDisposableStack();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const world = opened.use(
    await openWorld({ env: { PORT: String(port), WEBHOOK_BASE_URL: url, ...env }, mapped: [101, 102] }),
  );
  const facts: Fact[] = [];
  const services: RunningService[] = [];
  opened.defer(async () => {
    for (const { end } of services) await end();
  });
  const start = async (change: Partial<Config> = {}) => {
    const running = await startService({ ...world.config, ...change });
    services.push(running);
    running.service.watch((fact) => facts.push(fact));
    return running;
  };
  const owned = opened.move();
  return {
    ...world,
    url,
    facts,
    start,
    until: async (condition: () => boolean | Promise<boolean>) => void (await until(condition)),
    subscriptions: () => world.tenant.webhooks.subscriptions(),
    /** A person books the room in Outlook. */
    meet: (resource: number, subject: string) =>
      world.tenant.people.book(rooms[resource]!.upn, {
        subject,
        start: new Date(Date.now() + 86_400_000).toISOString(),
        end: new Date(Date.now() + 90_000_000).toISOString(),
      }),
    imported: async (title: string) =>
      (await world.db.query('SELECT 1 FROM bb_event WHERE name = $1 AND active = 1', [title])).length === 1,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
