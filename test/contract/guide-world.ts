/** The installation that the guide writes about: its rooms and reservation ids, a real daemon, a simulated tenant. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toConfig } from '../../src/config.ts';
import type { Environment } from '../../src/settings.ts';
import { createDesk, type Reservation } from '../../src/sandbox/desk.ts';
import { startTenant } from '../../src/sandbox/tenant/tenant.ts';
import { openTestDatabase } from '../support/database.ts';
import { environmentOf } from '../support/settings.ts';
import { startService } from '../support/service.ts';
import { until, untilTrue } from '../support/until.ts';
import { blockWith } from './guide.ts';
import { day } from '../support/dates.ts';
import { freePort } from '../../src/sandbox/postgres.ts';

export const mailboxes = { 123: 'room-calendar-id', 431: 'room1@company.com' } as const;

export type GuideWorld = Awaited<ReturnType<typeof openGuide>>;

export interface Shell {
  readonly stdout: string;
  /** Of the last curl. */
  readonly status: number;
}

export async function openGuide(env: Environment = {}) {
  await using opened = new AsyncDisposableStack();
  const db = opened.use(await openTestDatabase({ schema: 'bridge' }));
  const tenant = opened.use(
    await startTenant({
      rooms: Object.values(mailboxes).map((upn) => ({ upn, name: upn })),
    }),
  );
  const port = await freePort();
  const config = toConfig({
    ...environmentOf(db, tenant),
    PORT: String(port),
    // over https by a domain's name, or from this machine over http
    WEBHOOK_BASE_URL: `http://127.0.0.1:${port}`,
    ...env,
  });
  await db.query(`INSERT INTO bb_resource (id, name, activity_id, rescategory_id)
    SELECT id, 'Room ' || id, 3, 1 FROM unnest('{123, 431}'::int[]) id`);
  // printed in the guide: resource 123
  await db.query(blockWith('sql', 'INSERT INTO bridge_resource_mappings'));
  await db.query('INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (431, $1)', [
    mailboxes[431],
  ]);

  const service = opened.use(await startService(config));
  const folder = await mkdtemp(join(tmpdir(), 'guide-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, '.curlrc'), 'silent\nmax-time = 60\nwrite-out = "%{stderr}%{http_code}\\n"\n');

  const here = new URL(service.url).host;
  /** What is printed, with the address of this daemon: host and port only, but for the domain behind somebody's nginx. */
  const addressed = (text: string) =>
    text.replaceAll('localhost:8082', here).replaceAll('https://your-domain.com', service.url);

  /** Runs a printed command or script in a shell. */
  async function shell(command: string): Promise<Shell> {
    return await new Promise((resolve, reject) => {
      execFile(
        'bash',
        ['-c', addressed(command)],
        { env: { ...process.env, CURL_HOME: folder, HOME: folder }, timeout: 60_000 },
        (error, stdout, stderr) => {
          if (error !== null && typeof error.code !== 'number') reject(error);
          else resolve({ stdout, status: Number(/(\d{3})\s*$/.exec(stderr)?.[1] ?? 0) });
        },
      );
    });
  }

  const ask = async (method: string, path: string) => {
    const answer = await fetch(service.url + path, { method });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };

  const desk = createDesk(db.pool);

  /** Books an event that has the id of the guide. */
  async function bookAs(id: number, resource: number, title: string, days: number): Promise<Reservation> {
    await db.query('ALTER TABLE bb_event ALTER COLUMN id RESTART WITH ' + String(id));
    return await desk.book(resource, { title, from: day(days, '10:00'), to: day(days, '11:00') });
  }

  /** Both sides are compared and everything is shown. */
  const synced = async () => {
    await ask('POST', '/sync/populate-mapping');
    await ask('POST', '/sync/to-outlook?limit=1000');
  };

  /** Resolves when no room is worked on, or waits for it. */
  const rested = async () => {
    await untilTrue(
      db,
      'NOT EXISTS (SELECT FROM bridge_room_state WHERE lease_owner IS NOT NULL OR asked_at IS NOT NULL)',
    );
  };

  await until(async () => (await service.call('GET', '/ready')).status === 200);
  const owned = opened.move();
  return {
    db,
    tenant,
    desk,
    day,
    bookAs,
    synced,
    rested,
    url: service.url,
    folder,
    addressed,
    shell,
    ask,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
