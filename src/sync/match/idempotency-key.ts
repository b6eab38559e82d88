/** The idempotency key of a create: Outlook creates one event for it however often it is sent, and we recognise that event by it. */
import { v5 as uuidv5 } from 'uuid';
import type { OutlookEvent } from '../../event.ts';
import type { ReservationKey } from '../../item.ts';

/** Identifies one attempt to create the event of a reservation in a room. */
export interface Create {
  readonly reservation: ReservationKey;
  readonly resourceId: number;
  readonly generation: number;
}

export const idempotencyKey = (
  { reservation: { type, id }, resourceId, generation }: Create,
  installationId: string,
): string => uuidv5(`${type}/${id}/${resourceId}/${generation}`, installationId);

/** So many generations old an unanswered create may be. */
const generationsBack = 20;
/** Maximum difference between the clocks of PostgreSQL and Outlook. */
const clockSkewMs = 10_000;

/**
 * Whether one of our creates for this reservation made the event, whatever it shows now: a daemon died before it stored the
 * answer. The key alone does not prove that. A database that was set back reuses its numbers, so the event must not be
 * older than the mapping (`since`, ISO). And an event may have been given to the reservation that replaced its own, which
 * its extended properties then name.
 */
export function isOwnCreate(
  {
    transactionId,
    createdAt,
    isOrganizer,
    properties,
    seriesMasterId,
  }: Pick<OutlookEvent, 'transactionId' | 'createdAt' | 'isOrganizer' | 'properties' | 'seriesMasterId'>,
  { since, generation, ...create }: Create & { readonly since: string },
  installationId: string,
): boolean {
  // instances have the fields of their master, and we create no series
  if (transactionId === null || createdAt === null || !isOrganizer || seriesMasterId !== null) return false;
  if (properties?.type !== create.reservation.type || properties.id !== create.reservation.id) return false;
  if (!(Date.parse(createdAt) > Date.parse(since) - clockSkewMs)) return false;
  for (let past = generation; past >= Math.max(0, generation - generationsBack); past -= 1)
    if (idempotencyKey({ ...create, generation: past }, installationId) === transactionId) return true;
  return false;
}
