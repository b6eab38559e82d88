/**
 * What the charts show, in words: for who does not see them, and for who points at one step. Pure.
 * @import { Curve, Direction, Latency } from './shapes.ts'
 */
import { counted, duration, hourOfDay } from './format.js';

/** @type {readonly Direction[]} */
const both = ['booking_to_outlook', 'outlook_to_booking'];
/** @type {Record<Direction, string>} */
const towards = { booking_to_outlook: 'To Outlook', outlook_to_booking: 'To the booking system' };

/** @param {Curve} curve */
const halfWithin = (curve) =>
  `half within ${duration(curve.p50_ms)}, 95 of 100 within ${duration(curve.p95_ms)}`;

/** @param {Latency} latency */
export const dayWords = (latency) =>
  both
    .filter((direction) => latency.directions[direction].count > 0)
    .map((direction) => {
      const curve = latency.directions[direction];
      return `${towards[direction]}: ${counted(curve.count, 'change')}, ${halfWithin(curve)}.`;
    })
    .join(' ');

/** Nobody waits for a backfill: it is in no curve. @param {Latency} latency */
export function emptyWords(latency) {
  const backfilled = both.reduce((sum, direction) => sum + latency.directions[direction].backfilled, 0);
  return backfilled === 0
    ? 'No change in the last 24 hours.'
    : `Only a backfill in the last 24 hours: ${counted(backfilled, 'reservation')}. Nobody waited for it, so it is in no curve.`;
}

/** @param {Latency} latency @param {number | null} at */
export function stepWords(latency, at) {
  if (at === null) return null;
  const words = both.flatMap((direction) => {
    const step = latency.directions[direction].curve[at];
    return step === undefined || step.count === 0
      ? []
      : [
          `${towards[direction]}: ${step.count}, half within ${duration(step.p50_ms)}, 95 of 100 within ${duration(step.p95_ms)}.`,
        ];
  });
  const from = latency.directions.booking_to_outlook.curve[at]?.at;
  if (from === undefined || words.length === 0) return null;
  return `${hourOfDay(from)}–${hourOfDay(Date.parse(from) + latency.step_seconds * 1_000)}  ${words.join(' ')}`;
}

/** @param {Latency} latency */
export function spreadWords(latency) {
  const curves = both.map((direction) => latency.directions[direction]);
  const total = curves.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return '';
  const within = curves
    .flatMap(({ histogram }) => histogram)
    .reduce((sum, { le_ms: ms, count }) => sum + (ms !== null && ms <= 1_000 ? count : 0), 0);
  const share =
    within === 0 ? 'None' : within === total ? 'All' : `${Math.floor((within / total) * 100)} of 100`;
  return `${share} arrived within a second of the change.`;
}
