/**
 * One line of the log as a sentence. Pure.
 * @import { Step } from './shapes.ts'
 */
import { translated } from './translate.js';
import { named, say } from './language.js';

/** @param {Pick<Step, 'action' | 'reason' | 'who' | 'latency_ms' | 'call_ms' | 'why'>} step */
export function stepWords({ action, reason, who, latency_ms: latencyMs, call_ms: callMs, why }) {
  if (action === 'asked')
    return who === null
      ? say('step.asked', { what: reason ?? '' })
      : say('step.askedBy', { who, what: reason ?? '' });
  const took = latencyMs === null ? '' : `, ${say('step.took', { ms: String(Math.round(latencyMs)) })}`;
  const call =
    callMs === null || callMs === 0 ? '' : ` (${say('step.call', { ms: String(Math.round(callMs)) })})`;
  return `${named('step', action)}${took}${call}${why === '' ? '' : `: ${translated(why)}`}.`;
}
