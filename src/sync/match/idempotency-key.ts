/** The key of a create, by which Outlook makes one event of it however often it is sent, and by which we know that event. */
import { v5 as uuidv5 } from 'uuid';
import type { OutlookEvent } from '../../event.ts';
import type { ReservationKey } from '../../item.ts';

/** The create of an event: the same for the same attempt at showing the same reservation in the same room. */
export interface Create {
  readonly reservation: ReservationKey;
  readonly resourceId: number;
  readonly generation: number;
}

export const idempotencyKey = (
  { reservation: { type, id }, resourceId, generation }: Create,
  installationId: string,
): string => uuidv5(`${type}/${id}/${resourceId}/${generation}`, installationId);

/** How many generations back a create may have been on its way. */
const generationsBack = 20;
/** How far the clocks of PostgreSQL and Outlook may differ. */
const clockSkewMs = 10_000;

/**
 * Whether one of our creates for this reservation made the event, whatever it shows by now: it was sent, and a daemon died
 * before the answer was written down. The key alone does not say so. A database that was set back gives out its numbers
 * again: the event must not be older than the mapping (`since`, ISO). And an event may have been handed to the reservation
 * that replaced its own, which its extended properties name then.
 */
export function isOwnCreate(
  {
    transactionId,
    createdAt,
    isOrganizer,
    properties,
  }: Pick<OutlookEvent, 'transactionId' | 'createdAt' | 'isOrganizer' | 'properties'>,
  { since, generation, ...create }: Create & { readonly since: string },
  installationId: string,
): boolean {
  if (transactionId === null || createdAt === null || !isOrganizer) return false;
  if (properties?.type !== create.reservation.type || properties.id !== create.reservation.id) return false;
  if (!(Date.parse(createdAt) > Date.parse(since) - clockSkewMs)) return false;
  for (let past = generation; past >= Math.max(0, generation - generationsBack); past -= 1)
    if (idempotencyKey({ ...create, generation: past }, installationId) === transactionId) return true;
  return false;
}
