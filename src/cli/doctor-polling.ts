/** `doctor`: the number of Graph calls that polling needs, compared with the limits of Microsoft and of this daemon. */
import type { Config } from '../config.ts';
import type { Queryable } from '../database.ts';
import type { Report } from './doctor-findings.ts';

/** Requests of one app to one mailbox, and to all mailboxes together (Microsoft: throttling-limits). */
const perMailbox = { requests: 10_000, seconds: 600 };
const perApp = { requests: 130_000, seconds: 10 };
/** Throughput of this daemon: 64 concurrent calls of 0.2 s each. */
const callsPerSecond = 320;
/** The share of each limit for polling; the rest is for bookings, comparisons and other programs of the same app. */
const pollingShare = 0.5;
/** An active room is polled four times as often: see sync/pull/poll-spacing.ts. */
const activeTimes = 4;

export async function checkPolling(
  config: Pick<Config, 'pollSeconds' | 'webhookBaseUrl'>,
  db: Queryable,
  report: Report,
): Promise<void> {
  const { rows } = await db.query<{ rooms: number }>(
    `SELECT count(*)::integer AS rooms FROM bridge_resource_mappings WHERE active = 1 AND sync_direction <> 'booking_to_outlook'`,
  );
  const [rooms, seconds] = [rows[0]!.rooms, config.pollSeconds];
  const perSecond = rooms / seconds;
  const ofApp = (perSecond * perApp.seconds) / perApp.requests;
  const ofMailbox = ((activeTimes / seconds) * perMailbox.seconds) / perMailbox.requests;
  const percent = (share: number) => `${short(100 * share)} %`;
  const cost = `${rooms} ${rooms === 1 ? 'room' : 'rooms'} polled every ${seconds} s on average: ${short(perSecond)} calls a second, ${percent(ofApp)} of what Microsoft allows an app; at most ${percent(ofMailbox)} of what it allows for one mailbox`;
  const most = Math.min(pollingShare * (perApp.requests / perApp.seconds), pollingShare * callsPerSecond);
  if (perSecond <= most && ofMailbox <= pollingShare) return report('ok', 'polling', cost);
  const needed = Math.ceil(
    Math.max(rooms / most, (activeTimes * perMailbox.seconds) / (pollingShare * perMailbox.requests)),
  );
  report(
    'warning',
    'polling',
    `${cost}. Polling will be late: the daemon makes about ${callsPerSecond} calls a second, and bookings need some of them.`,
    `POLL_INTERVAL_SECONDS=${needed}${config.webhookBaseUrl === null ? '   (or WEBHOOK_BASE_URL=…: then 900 is enough)' : ''}`,
  );
}

const short = (value: number) => (value >= 10 ? value.toFixed(0) : value.toPrecision(2));
