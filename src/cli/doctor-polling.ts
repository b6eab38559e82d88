/** What asking for changes costs, and whether Microsoft and we can bear it. */
import type { Config } from '../config.ts';
import type { Queryable } from '../database.ts';
import type { Find } from './doctor-findings.ts';

/** Microsoft: throttling-limits. Requests of one app to one mailbox, and of one app altogether. */
const perMailbox = { requests: 10_000, seconds: 600 };
const perApp = { requests: 130_000, seconds: 10 };
/** So many calls a second get through: 64 at a time, of a fifth of a second each. */
const callsPerSecond = 320;
/** Of each limit; the rest is for bookings, comparisons and other programs of the same app. */
const bearable = 0.5;
/** An active room is asked four times as often: see sync/pull/poll-spacing.ts. */
const activeTimes = 4;

export async function checkPolling(
  config: Pick<Config, 'pollSeconds' | 'webhookBaseUrl'>,
  db: Queryable,
  find: Find,
): Promise<void> {
  const { rows } = await db.query<{ rooms: number }>(
    `SELECT count(*)::integer AS rooms FROM bridge_resource_mappings WHERE active = 1 AND sync_direction <> 'booking_to_outlook'`,
  );
  const [rooms, seconds] = [rows[0]!.rooms, config.pollSeconds];
  const perSecond = rooms / seconds;
  const ofApp = (perSecond * perApp.seconds) / perApp.requests;
  const ofMailbox = ((activeTimes / seconds) * perMailbox.seconds) / perMailbox.requests;
  const percent = (share: number) => `${short(100 * share)} %`;
  const cost = `${rooms} rooms polled every ${seconds} s on average: ${short(perSecond)} calls a second, ${percent(ofApp)} of what Microsoft allows an app; at most ${percent(ofMailbox)} of what it allows for one mailbox`;
  const most = Math.min(bearable * (perApp.requests / perApp.seconds), bearable * callsPerSecond);
  if (perSecond <= most && ofMailbox <= bearable) return find('ok', 'polling', cost);
  const needed = Math.ceil(
    Math.max(rooms / most, (activeTimes * perMailbox.seconds) / (bearable * perMailbox.requests)),
  );
  find(
    'warning',
    'polling',
    `${cost}. The rounds will fall behind: about ${callsPerSecond} calls a second get through, and bookings need some of them.`,
    `POLL_INTERVAL_SECONDS=${needed}${config.webhookBaseUrl === null ? '   (or WEBHOOK_BASE_URL=…: then 900 is enough)' : ''}`,
  );
}

const short = (value: number) => (value >= 10 ? value.toFixed(0) : value.toPrecision(2));
