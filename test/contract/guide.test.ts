/** The user's guide, run as it is printed. */
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { chromiumPath, visit } from '../dashboard/stage.ts';
import { until } from '../support/until.ts';
import { blockWith, blocksOf, calls, guide, lacking, named, printedAnswers } from './guide.ts';
import { mailboxes, openGuide, type GuideWorld } from './guide-world.ts';

/**
 * What the guide asks for and the daemon does not do yet: endpoint → why. It shrinks until it is empty: an entry
 * that works must be taken out, and nothing may fail that is not listed.
 */
const pending: Readonly<Record<string, string>> = {};

const expectOnlyPending = (failed: readonly string[], among: readonly string[]) =>
  expect([...new Set(failed)].sort(), `pending: ${Object.keys(pending).join(', ')}`).toEqual(
    Object.keys(pending)
      .filter((endpoint) => among.includes(endpoint))
      .sort(),
  );

const has = (program: string) => {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
const withShell = test.skipIf(!['bash', 'curl', 'jq'].every(has));
/** Not on every machine; what it would send is sent all the same, further below. */
const interpreter = 'php';

withShell('every call that is printed is answered', { timeout: 180_000 }, async () => {
  await using world = await openGuide();
  await world.bookAs(456, 123, 'Important Meeting', 1);
  const cancelled = await world.bookAs(78266, 431, 'Test på outlook integrasjon', 1);
  const removed = await world.bookAs(78267, 431, 'Deleted in Outlook', 2);
  await world.synced();
  await world.desk.cancel(cancelled);
  const event = await eventOf(world, removed.id);
  world.tenant.people.remove(mailboxes[431], event);

  const failed: string[] = [];
  for (const { command, endpoint } of calls) {
    const said = await world.shell(command.replace('AAMkAGUxZWM3YWY2...', encodeURIComponent(event)));
    const wrong = complaint(said.status, said.stdout, command);
    if (wrong !== null) failed.push(endpoint);
  }
  expectOnlyPending(
    failed,
    calls.map((call) => call.endpoint),
  );
});

/** What is wrong with the answer of a command; null: nothing. */
function complaint(status: number, stdout: string, command: string): string | null {
  if (status !== 200 && status !== 201 && status !== 202) return `status ${status}`;
  if (command.includes('| jq')) return /^\d+\s*$/.test(stdout) ? null : `jq found ${stdout}`;
  if (command.includes('/webhook/outlook-notifications')) return null;
  const body = JSON.parse(stdout) as { success: boolean; result?: { action: string } };
  if (!body.success) return 'no success';
  return body.result?.action === 'pending' ? 'nothing was done' : null;
}

const eventOf = async (world: GuideWorld, reservation: number): Promise<string> => {
  const [row] = await world.db.query<{ id: string }>(
    'SELECT outlook_event_id AS id FROM bridge_mappings WHERE reservation_id = $1',
    [reservation],
  );
  return row!.id;
};

test('every endpoint that is named is there', async () => {
  await using world = await openGuide();
  const { paths } = (await world.ask('GET', '/openapi.json')).body as unknown as {
    paths: Record<string, object>;
  };
  const there = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '{}')}`),
  );
  expectOnlyPending(
    named.filter((endpoint) => !there.includes(endpoint)),
    named,
  );
});

/** Brings about what a printed answer is the answer of. */
const situations: Readonly<Record<string, (world: GuideWorld) => Promise<void>>> = {
  'GET /sync/pending-items': async (world) => {
    await world.bookAs(456, 123, 'Important Meeting', 1);
    await world.ask('POST', '/sync/populate-mapping');
    await world.rested(); // or the round under way would take it along
    await world.desk.retitle({ type: 'event', id: 456 }, 'More Important Meeting');
    // a round that Outlook's notification began may be at it: nothing is folded beside it
    await until(
      async () => {
        await world.db.query('SELECT bridge_fold(7, 365, 500)');
        return await world.db.query("SELECT FROM bridge_mappings WHERE sync_status = 'pending'");
      },
      (pending) => pending.length === 1,
    );
  },
  'POST /sync/to-outlook': async (world) => {
    await world.bookAs(456, 123, 'Important Meeting', 1);
  },
  'GET /sync/status': async (world) => {
    await world.desk.book(123, { from: world.day(1, '10:00'), to: world.day(1, '11:00') });
    await world.desk.bookGroup(123, { from: world.day(1, '12:00'), to: world.day(1, '13:00') });
    await world.desk.allocate(123, { from: world.day(1, '14:00'), to: world.day(1, '15:00') });
    await world.synced();
  },
  'POST /booking/process-imports': async (world) => {
    await world.ask('POST', '/sync/populate-mapping');
    world.tenant.people.book(mailboxes[123], {
      subject: 'Important Team Meeting',
      start: `${world.day(1, '13:00').replace(' ', 'T')}:00Z`,
      end: `${world.day(1, '14:00').replace(' ', 'T')}:00Z`,
      html: '<p>Agenda</p>',
    });
    await world.ask('POST', '/sync/from-outlook');
  },
  'POST /bridges/sync-deletions': async (world) => {
    const cancelled = await world.bookAs(78265, 431, 'Cancelled Meeting', 1);
    const back = await world.bookAs(78266, 431, 'Re-enabled Meeting', 2);
    await world.synced();
    await world.desk.cancel(back);
    await world.ask('POST', '/bridges/sync-deletions');
    await world.rested(); // or it would see the re-enabled one before it is asked
    await world.desk.reenable(back);
    await world.desk.cancel(cancelled);
  },
};

for (const [at, { endpoint, body }] of printedAnswers().entries())
  test(`answer ${at + 1} of the guide, of ${endpoint}, is given with its keys and types`, async () => {
    // what is printed was done by the call, not before it by a daemon that was faster
    await using world = await openGuide({ AUTO_SYNC: 'off', IMPORT_MODE: 'manual' });
    await situations[endpoint]?.(world);
    const [method, path] = endpoint.split(' ') as [string, string];
    const answer = await world.ask(method, path);
    const missing = lacking(body, answer.body, [
      '.statistics.by_type.event',
      '.statistics.by_type.booking',
      '.statistics.by_type.allocation',
    ]);
    expect(missing.length > 0, [...missing, JSON.stringify(answer.body)].join('\n')).toBe(
      endpoint in pending,
    );
  });

withShell('the health check script runs as it is printed and logs what it saw', async () => {
  await using world = await openGuide();
  await mkdir(join(world.folder, 'log'));
  const script = blockWith('bash', '# Check sync statistics').replace(
    '/var/log/outlook-sync',
    join(world.folder, 'log'),
  );
  await world.db.query(
    `INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, sync_status)
     SELECT 'event', n, 999, 'elsewhere', CASE WHEN n <= 7 THEN 'error' ELSE 'pending' END FROM generate_series(1, 60) n`,
  );
  await world.shell(script);
  const log = readFileSync(join(world.folder, 'log', 'health-check.log'), 'utf8');
  expect(log).toMatch(/: Pending: 53, Errors: 7\n.*HIGH ERROR COUNT: 7 .*\n.*HIGH PENDING COUNT: 53 /);
});

test('the SQL of the guide runs as it is printed, and its reset doubles nothing', async () => {
  await using world = await openGuide();
  await world.bookAs(456, 123, 'Important Meeting', 1);
  await world.bookAs(78265, 431, 'Another Meeting', 1);
  await world.synced();
  const before = world.tenant.eventsIn(mailboxes[123]).map((event) => event.id);
  const verification = blockWith('sql', 'Overall mapping status')
    .split(';')
    .filter((sql) => /SELECT/.test(sql));
  const rows = await Promise.all(verification.map((sql) => world.db.query(sql)));
  // by status: one may be looked at again just now, because Outlook told us of our own write
  expect(rows[0]!.reduce((sum, row) => sum + Number(row['count']), 0)).toBe(2);
  expect(rows.slice(1).map((found) => found.length)).toEqual([2, 0]);
  await world.db.query(blockWith('sql', 'Reset all mappings'));
  await world.ask('POST', '/sync/to-outlook');
  expect(world.tenant.eventsIn(mailboxes[123]).map((event) => event.id)).toEqual(before);
  expect(world.tenant.eventsIn(mailboxes[431]).length).toBe(1);
});

const snippet = blockWith('php', 'class BookingSystemIntegration');

test.runIf(has(interpreter))('the PHP integration runs as it is printed', async () => {
  await using world = await openGuide();
  const training = await world.desk.bookGroup(123, {
    from: world.day(1, '12:00'),
    to: world.day(1, '13:00'),
  });
  await world.synced();
  // beside the daemon, which is in this process
  const hook = (method: string) =>
    promisify(execFile)(interpreter, [
      '-r',
      `${world.addressed(snippet).replace('<?php', '')} (new BookingSystemIntegration())->${method}('booking', ${training.id}, 123);`,
    ]);
  await hook('afterBookingUpdated');
  expect(world.tenant.eventsIn(mailboxes[123]).length).toBe(1);
  await world.desk.cancel(training);
  await hook('afterBookingCancelled');
  expect(world.tenant.eventsIn(mailboxes[123])).toEqual([]);
});

for (const version of ['1.0', '1.1'])
  test(`what the PHP integration sends over HTTP/${version} is understood: a POST with a content type and no body`, async () => {
    await using world = await openGuide();
    const training = await world.desk.bookGroup(123, {
      from: world.day(1, '12:00'),
      to: world.day(1, '13:00'),
    });
    const paths = [...snippet.matchAll(/\{\$this->syncBaseUrl\}([^"]+)"/g)].map((found) => found[1]!);
    const [cancelPath, syncPath] = paths.map((path) =>
      path
        .replace('{$reservationType}', 'booking')
        .replace('{$reservationId}', String(training.id))
        .replace('{$resourceId}', '123'),
    );
    expect(await sendAsPhp(world.url, syncPath!, version)).toMatch(/^HTTP\/1\.1 200 /);
    expect(world.tenant.eventsIn(mailboxes[123]).length).toBe(1);
    await world.desk.cancel(training);
    expect(await sendAsPhp(world.url, cancelPath!, version)).toMatch(/^HTTP\/1\.1 200 /);
    expect(world.tenant.eventsIn(mailboxes[123])).toEqual([]);
  });

/** As PHP's http wrapper does it: `Connection: close`, and no length for the body it does not send. */
async function sendAsPhp(url: string, path: string, version: string): Promise<string> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(
    `POST ${path} HTTP/${version}\r\nHost: ${host}\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n`,
  );
  return (await socket.toArray()).map(String).join('');
}

test.skipIf(chromiumPath === null)(
  'the monitoring page shows the statistics and its buttons work',
  { timeout: 120_000 },
  async () => {
    await using world = await openGuide();
    await using page = await visit('about:blank');
    const address = `${world.url}/monitoring.html`;
    // the page asks its own origin, so it is put there
    await page.route(address, (route) =>
      route.fulfill({ contentType: 'text/html', body: blockWith('html', 'loadStats') }),
    );
    await page.goto(address);
    await page.getByText('total_mappings').waitFor();
    const failed: string[] = [];
    const buttons = await page.locator('button').all();
    const asked: string[] = [];
    for (const button of buttons) {
      const answered = page.waitForResponse((response) => response.request().method() === 'POST');
      await button.click();
      const response = await answered;
      const endpoint = `POST ${new URL(response.url()).pathname}`;
      asked.push(endpoint);
      if (response.status() !== 200) failed.push(endpoint);
    }
    expect(asked).toEqual([
      'POST /sync/to-outlook',
      'POST /booking/process-imports',
      'POST /bridges/sync-deletions',
    ]);
    expectOnlyPending(failed, asked);
  },
);

test('nothing is printed in the guide that is not run here', () => {
  const languages = Map.groupBy(blocksOf(guide), (block) => block.language);
  expect([...languages.keys()].sort()).toEqual(['bash', 'html', 'json', 'nginx', 'php', 'sql', 'yaml']);
  expect(languages.get('sql')!.length).toBe(3);
  expect(languages.get('html')!.length).toBe(1);
  expect(languages.get('json')!.length).toBe(printedAnswers().length);
});
