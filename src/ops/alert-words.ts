/** The texts of alerts from facts and from conditions of a daemon. Personal data is removed from foreign texts. */
import type { Fact } from '../facts.ts';
import type { Alert } from './alert-types.ts';
import { redact } from './redact.ts';

/** An alert of no single room. */
export const overall = { room: null, resourceId: null } as const;

export const brakeHeld = ({
  room,
  resourceId,
  held,
  synced,
}: Extract<Fact, { fact: 'brake-held' }>): Alert => ({
  type: 'brake',
  severity: 'critical',
  room,
  resourceId,
  ...brakeWords(room, resourceId, held),
  detail: { removals: held, synced },
});

export const brakeWords = (room: string, resourceId: number, removals: number) => ({
  message: `${removals} removals in ${room} (resource ${resourceId}) are held by the brake.`,
  hint: `See GET /rooms/${resourceId}; then POST /rooms/${resourceId}/brake/release or /rooms/${resourceId}/brake/refuse.`,
});

/** Without the error's message, which may quote anything, because alerts are sent to other systems. */
export const bugFound = ({ where }: Extract<Fact, { fact: 'bug' }>): Alert => ({
  ...overall,
  type: 'bug',
  severity: 'critical',
  message: `A bug in ${where}; the log has its stack.`,
  hint: 'Search the log for level 50, "bug", and please report it.',
  detail: { where },
});

export const listenSilent = (reason: string): Alert => ({
  ...overall,
  type: 'listen-silent',
  severity: 'warning',
  message: `Notifications of PostgreSQL do not arrive: ${redact(reason)}. The daemon polls several times a second instead.`,
  hint: 'LISTEN needs a direct connection to the primary: no pooler such as PgBouncer, no standby.',
  detail: {},
});

/** Error codes of the authority about our credential (Microsoft: reference-error-codes). */
const credentialTrouble =
  /invalid_client|AADSTS(7000215|7000222|7000218|700016|700027|700024|700021|700023)\b/;

export function outage({ side, error, hint, refused = false }: Extract<Fact, { fact: 'outage' }>): Alert {
  const isCredential = side === 'outlook' && credentialTrouble.test(error);
  const what = side === 'booking' ? "The booking system's database" : 'Microsoft Graph';
  return {
    type: isCredential ? 'credential-refused' : `${side}-outage`,
    severity: 'critical',
    ...overall,
    message: isCredential
      ? `Microsoft refuses our credential: ${redact(error)}`
      : `${what} ${refused && side === 'booking' ? 'answers but cannot be used' : 'is unreachable'}: ${redact(error)}`,
    hint:
      hint === null
        ? 'Nothing is lost: changes wait and are sent when it is back. It is retried continuously.'
        : redact(hint),
    detail: { side },
  };
}

export function credentialExpiring(ends: Date, days: number): Alert {
  const left = days < 0 ? 'has ended' : `ends in ${Math.floor(days)} days`;
  return {
    type: 'credential-expiring',
    severity: days < 7 ? 'critical' : 'warning',
    ...overall,
    message: `The certificate of the app registration ${left} (${ends.toISOString()}).`,
    hint: 'Add a new certificate to the app registration, then put it and its key into the file GRAPH_CLIENT_CERTIFICATE names. No restart is needed.',
    detail: { ends_at: ends.toISOString() },
  };
}

export const captureBroken = (capture: { missing: readonly string[]; repair: string | null }): Alert => ({
  type: 'capture-broken',
  severity: 'critical',
  ...overall,
  message: `Changes of the booking system are not captured: ${capture.missing.slice(0, 5).join('; ')}. The sweep finds them later.`,
  hint: capture.repair === null ? null : `Run: ${capture.repair}`,
  detail: { missing: capture.missing.slice(0, 20) },
});
