/** `doctor`: the checks of the PostgreSQL server. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { BookingConfig } from '../config.ts';
import { openSession } from '../database.ts';
import { queryValue } from '../query.ts';
import type { Report } from './doctor-findings.ts';
import { narrowEncoding, oldestVersion } from './migrate-checks.ts';

export async function checkServer(client: pg.Client, report: Report): Promise<void> {
  const { rows } = await client.query<{
    version: string;
    major: number;
    standby: boolean;
    readOnly: boolean;
  }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer / 10000 AS major,
            pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only')::boolean AS "readOnly"`,
  );
  const { version, major, standby, readOnly } = rows[0]!;
  if (major < oldestVersion)
    report(
      'problem',
      'database',
      `This is PostgreSQL ${version}.`,
      `Upgrade the server to ${oldestVersion} or newer.`,
    );
  else report('ok', 'database', `PostgreSQL ${version} answers`);
  if (standby)
    report(
      'problem',
      'database',
      'This server is a standby: it accepts neither writes nor LISTEN.',
      'Set DB_HOST to the primary.',
    );
  else if (readOnly)
    report(
      'problem',
      'database',
      'default_transaction_read_only is on for this role or database: nothing can be written.',
      'ALTER ROLE … RESET default_transaction_read_only; or the same with ALTER DATABASE …',
    );
  report('ok', 'connection', 'direct, without a pooler');
  const narrow = await narrowEncoding(client);
  if (narrow !== null)
    report(
      'warning',
      'encoding',
      narrow.replace('the', 'The'),
      'Move the booking system to a database with ENCODING UTF8, or remove such characters in Outlook.',
    );
}

const clockToleranceMs = 5_000;

export async function checkClock(client: pg.Client, report: Report): Promise<void> {
  const before = Date.now();
  const { rows } = await client.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const off = rows[0]!.now.getTime() - (before + Date.now()) / 2;
  clock('the database server', off, report);
}

/** Reports the deviation of another clock. `offMs`: how far it is ahead of ours in milliseconds, negative if behind. */
export function clock(owner: string, offMs: number, report: Report, toleranceMs = clockToleranceMs): void {
  const text = `${(Math.abs(offMs) / 1_000).toFixed(1)} s ${offMs < 0 ? 'behind' : 'ahead of'}`;
  if (Math.abs(offMs) <= toleranceMs) report('ok', 'clock', `the clock of ${owner} agrees with ours`);
  else
    report(
      'warning',
      'clock',
      `The clock of ${owner} is ${text} ours.`,
      'Synchronize both with a time server: timedatectl set-ntp true',
    );
}

export async function checkZone(client: pg.Client, config: BookingConfig, report: Report): Promise<void> {
  const known = await queryValue<boolean>(
    client,
    'SELECT EXISTS (SELECT FROM pg_timezone_names WHERE lower(name) = lower($1)) AS known',
    [config.timezone],
  );
  if (known) report('ok', 'zone', `PostgreSQL knows ${config.timezone}`);
  else
    report(
      'problem',
      'zone',
      `PostgreSQL does not know the zone '${config.timezone}' of BOOKING_TIMEZONE.`,
      'The names that it knows: SELECT name FROM pg_timezone_names;',
    );
}

const notifyMs = 3_000;

/** Checks that a NOTIFY from one session reaches another, as from a booking to the daemon. */
export async function checkNotify(config: BookingConfig, report: Report): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const open = async (name: string) => {
    const own = await openSession(config.database, name, notifyMs);
    opened.defer(() => own.close());
    return own.session;
  };
  const [listener, notifier] = [await open('bridge doctor listens'), await open('bridge doctor notifies')];
  const payload = randomUUID();
  const received = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => received.resolve(false), notifyMs);
  listener.on('notification', (notification) => {
    if (notification.payload === payload) received.resolve(true);
  });
  await listener.query('LISTEN bridge_doctor');
  await notifier.query(`SELECT pg_notify('bridge_doctor', $1)`, [payload]);
  const started = performance.now();
  const isReceived = await received.promise;
  clearTimeout(timer);
  if (isReceived)
    report('ok', 'listen', `a notification arrived after ${Math.round(performance.now() - started)} ms`);
  else
    report(
      'problem',
      'listen',
      `A test notification did not arrive within ${notifyMs / 1_000} s: bookings are found by polling, with a delay.`,
      'Connect directly to the primary, without a pooler.',
    );
}
