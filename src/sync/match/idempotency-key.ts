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

/** Maximum difference between the clocks of PostgreSQL and Outlook. */
const clockSkewMs = 10_000;

/**
 * The generation of the create of ours that made the event, whatever it shows now; null: none of these did. Only `generations` whose event is
 * not on record are given: a daemon died before it stored the answer. Outlook makes one event for a key, so another event with the
 * key of a recorded one is its copy, or was restored. The key alone does not prove our create either. A database that was set
 * back reuses its numbers, so the event must not be older than the mapping (`since`, ISO). And an event may have been given
 * to the reservation that replaced its own, which its extended properties then name.
 */
export function ownCreateOf(
  {
    transactionId,
    createdAt,
    isOrganizer,
    properties,
    seriesMasterId,
  }: Pick<OutlookEvent, 'transactionId' | 'createdAt' | 'isOrganizer' | 'properties' | 'seriesMasterId'>,
  {
    since,
    generations,
    ...create
  }: Omit<Create, 'generation'> & { readonly generations: readonly number[]; readonly since: string },
  installationId: string,
): number | null {
  // instances have the fields of their master, and we create no series
  if (transactionId === null || createdAt === null || !isOrganizer || seriesMasterId !== null) return null;
  if (properties?.type !== create.reservation.type || properties.id !== create.reservation.id) return null;
  if (!(Date.parse(createdAt) > Date.parse(since) - clockSkewMs)) return null;
  const keyOf = (generation: number) => idempotencyKey({ ...create, generation }, installationId);
  return generations.find((generation) => keyOf(generation) === transactionId) ?? null;
}
