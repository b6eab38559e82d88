/**
 * Findings about the two sides and the daemon: whether they answer, and whether writing has been confirmed. Pure.
 * @import { Known } from './shapes.ts'
 * @import { Finding } from './verdict.js'
 */
import { distance, ended, hourOfDay, timeOfDay } from './format.js';
import { translated } from './translate.js';
import { say } from './language.js';

/**
 * @param {Known} known
 * @param {number} now
 * @returns {Finding[]}
 */
export function unreachable({ trouble, answeredAt }, now) {
  if (trouble === null) return [];
  const stale =
    answeredAt === 0
      ? ''
      : ` ${say('away.stale', { time: timeOfDay(answeredAt), ago: ago(answeredAt, now) })}`;
  if (trouble.kind === 'signed-out')
    return [{ state: 'away', text: say('away.signedOut'), detail: say('away.signIn') }];
  if (trouble.kind === 'daemon')
    return [
      {
        state: 'away',
        text: say('daemon.away'),
        detail: `${say('daemon.away.hint')}${stale}`,
      },
    ];
  return [{ state: 'bad', text: trouble.error, detail: `${trouble.hint}${stale}`.trim() }];
}

/**
 * @param {Known} known
 * @returns {Finding[]}
 */
export function sides({ stats, ready }) {
  /** @type {Finding[]} */
  const found = [];
  if (stats === null) return found;
  const { outages, queue, listener } = stats;
  if (outages.booking !== null)
    found.push({
      state: 'bad',
      text: say(outages.booking.refused ? 'outage.booking.refuses' : 'outage.booking', {
        time: hourOfDay(outages.booking.since),
      }),
      detail: outages.booking.refused
        ? `${ended(translated(outages.booking.error))} ${translated(outages.booking.hint ?? '')}`.trim()
        : translated(outages.booking.hint ?? outages.booking.error),
      alerts: ['booking-outage'],
    });
  if (outages.outlook !== null)
    found.push({
      state: 'bad',
      text: say('outage.outlook', { time: hourOfDay(outages.outlook.since) }),
      detail: `${ended(translated(outages.outlook.error))} ${say('outage.outlook.wait', { n: queue.due })}`,
      alerts: ['outlook-outage', 'credential-refused'],
    });
  const capture = ready?.checks['capture'];
  if (capture !== undefined && !capture.ok && outages.booking === null)
    found.push({
      state: 'bad',
      text: say('capture.broken'),
      detail: `${ended(capture.problems.map(translated).join('; '))} ${translated(ready?.hint ?? '')}`.trim(),
      alerts: ['capture-broken'],
    });
  if (!listener.heard && outages.booking === null)
    found.push({
      state: 'warn',
      text: say('listener.silent'),
      detail: `${say('listener.silent.hint')} ${translated(listener.reason ?? '')}`.trim(),
      alerts: ['listen-silent'],
    });
  return found;
}

/** Maps the first room. */
const firstRow =
  "INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active) VALUES (123, 'room@example.org', 'Conference Room A', 1);";

/** How to map the first room. */
export const noRoomHint = () => say('noRoom.hint', { statement: firstRow });

/**
 * START_MODE plan or shadow: nothing is written.
 * @param {Known} known
 * @returns {Finding[]}
 */
export function notYet({ stats, rooms, roomsRead }) {
  if (stats === null || stats.start.writes) return [];
  return [
    stats.start.mode === 'shadow'
      ? {
          state: 'busy',
          text: say('start.shadow'),
          detail: say('start.shadow.hint'),
        }
      : stats.start.hold !== null
        ? { state: 'bad', text: translated(stats.start.hold.why), detail: translated(stats.start.hold.hint) }
        : {
            state: 'busy',
            text: say('start.plan'),
            // without a room the plan is empty, and says nothing about what a confirmation starts
            detail:
              roomsRead && rooms.length === 0 ? `${say('noRoom')} ${noRoomHint()}` : say('start.plan.hint'),
          },
  ];
}

/** @param {number} at @param {number} now */
const ago = (at, now) =>
  now - at < 1_500 ? say('distance.moment') : distance(new Date(at).toISOString(), now);
