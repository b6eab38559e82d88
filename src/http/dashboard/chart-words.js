/**
 * The charts as text, for screen readers and for the step under the pointer. Pure.
 * @import { Curve, Direction, Latency } from './shapes.ts'
 */
import { counted, duration, hourOfDay } from './format.js';
import { named, say } from './language.js';

/** @type {readonly Direction[]} */
const both = ['booking_to_outlook', 'outlook_to_booking'];
/** @param {Direction} direction */
const towards = (direction) => named('towards', direction);

/** @param {Pick<Curve, 'p50_ms' | 'p95_ms'>} curve */
const percentiles = (curve) =>
  say('chart.percentiles', { p50: duration(curve.p50_ms), p95: duration(curve.p95_ms) });

/** @param {Latency} latency */
export const dayWords = (latency) =>
  both
    .filter((direction) => latency.directions[direction].count > 0)
    .map((direction) => {
      const curve = latency.directions[direction];
      return `${towards(direction)}: ${counted(curve.count, 'change')}, ${percentiles(curve)}.`;
    })
    .join(' ');

/** A backfill is in no curve, because its latency has no meaning for users. @param {Latency} latency */
export function emptyWords(latency) {
  const backfilled = both.reduce((sum, direction) => sum + latency.directions[direction].backfilled, 0);
  return backfilled === 0
    ? say('chart.empty')
    : say('chart.backfill', { reservations: counted(backfilled, 'reservation') });
}

/** @param {Latency} latency @param {number | null} at */
export function stepWords(latency, at) {
  if (at === null) return null;
  const words = both.flatMap((direction) => {
    const step = latency.directions[direction].curve[at];
    return step === undefined || step.count === 0
      ? []
      : [`${towards(direction)}: ${step.count}, ${percentiles(step)}.`];
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
  if (within === 0) return say('chart.within.none');
  if (within === total) return say('chart.within.all');
  return say('chart.within.share', { share: Math.floor((within / total) * 100) });
}
