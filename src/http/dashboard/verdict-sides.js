/**
 * What the sentence says of the two sides and of the daemon itself: whether they are there, and whether anything may be
 * written yet. Pure.
 * @import { Known } from './shapes.ts'
 * @import { Finding } from './verdict.js'
 */
import { counted, distance, ended, hourOfDay, timeOfDay } from './format.js';

/**
 * @param {Known} known
 * @param {number} now
 * @returns {Finding[]}
 */
export function unreachable({ trouble, heardAt }, now) {
  if (trouble === null) return [];
  const heard =
    heardAt === 0 ? '' : ` What stands below is from ${timeOfDay(heardAt)}, ${ago(heardAt, now)}.`;
  if (trouble.kind === 'signed-out')
    return [{ state: 'away', text: 'You are signed out.', detail: 'Sign in to see how it stands.' }];
  if (trouble.kind === 'daemon')
    return [
      {
        state: 'away',
        text: 'The daemon does not answer.',
        detail: `Bookings go on and their changes wait. Is the service running? This page tries again by itself.${heard}`,
      },
    ];
  return [{ state: 'bad', text: trouble.error, detail: `${trouble.hint}${heard}`.trim() }];
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
      text: `The booking database is out of reach since ${hourOfDay(outages.booking.since)}.`,
      detail: outages.booking.hint ?? outages.booking.error,
    });
  if (outages.outlook !== null)
    found.push({
      state: 'bad',
      text: `Outlook is out of reach since ${hourOfDay(outages.outlook.since)}.`,
      detail: `${ended(outages.outlook.error)} ${counted(queue.due, 'change waits', 'changes wait')} and will go out when it is back.`,
    });
  const capture = ready?.checks['capture'];
  if (capture !== undefined && !capture.ok && outages.booking === null)
    found.push({
      state: 'bad',
      text: 'Some changes of the booking system are not noticed at once.',
      detail: `${ended(capture.problems.join('; '))} ${ready?.hint ?? ''}`.trim(),
    });
  if (!listener.heard && outages.booking === null)
    found.push({
      state: 'warn',
      text: 'Notifications of the booking database are not heard.',
      detail: `The daemon looks several times a second instead. ${listener.reason ?? ''}`,
    });
  return found;
}

/**
 * START_MODE plan or shadow: nothing is written.
 * @param {Known} known
 * @returns {Finding[]}
 */
export function notYet({ stats }) {
  if (stats === null || stats.start.writes) return [];
  return [
    stats.start.mode === 'shadow'
      ? {
          state: 'busy',
          text: 'Both sides are compared and nothing is ever written (START_MODE=shadow).',
          detail: 'Below stands what a sync would do. START_MODE=plan or sync lets it be done.',
        }
      : stats.start.hold !== null
        ? { state: 'bad', text: stats.start.hold.why, detail: stats.start.hold.hint }
        : {
            state: 'busy',
            text: 'Nothing is written yet: the plan waits to be confirmed.',
            detail: 'Read below what would be done, then confirm it there, or by the command plan --confirm.',
          },
  ];
}

/** @param {number} at @param {number} now */
const ago = (at, now) => (now - at < 1_500 ? 'a moment ago' : distance(new Date(at).toISOString(), now));
