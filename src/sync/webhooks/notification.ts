/** One element of what Graph posts, as far as it can be Graph's; whatever else is in it stays unread. */
import { timingSafeEqual } from 'node:crypto';
import type { NotifiedEvent } from './subscription-store.ts';

export interface Notification {
  readonly subscriptionId: string;
  readonly clientState: string;
  /** Null: a change in the room. An event we have not heard of makes the room be read, too. */
  readonly lifecycleEvent: string | null;
  /** The event that changed; null: the notification names none. */
  readonly event: NotifiedEvent | null;
}

/** Graph's are GUIDs; this is whatever a database can look up. */
const idShape = /^[\x21-\x7e]{1,100}$/;

/** Null: it cannot be Graph's. */
export function readNotification(value: unknown): Notification | null {
  if (typeof value !== 'object' || value === null) return null;
  const { subscriptionId, clientState, lifecycleEvent } = value as Readonly<Record<string, unknown>>;
  if (typeof subscriptionId !== 'string' || typeof clientState !== 'string') return null;
  if (!idShape.test(subscriptionId)) return null;
  return {
    subscriptionId,
    clientState,
    lifecycleEvent: typeof lifecycleEvent === 'string' ? lifecycleEvent : null,
    event: typeof lifecycleEvent === 'string' ? null : readEvent(value),
  };
}

/** Ids of Exchange are base64 of some 120 characters; this is whatever a primary key can hold. */
const eventIdShape = /^[\x21-\x7e]{1,512}$/;

function readEvent(value: object): NotifiedEvent | null {
  const { changeType, resourceData } = value as Readonly<Record<string, unknown>>;
  if (typeof resourceData !== 'object' || resourceData === null) return null;
  const { id, '@odata.etag': etag } = resourceData as Readonly<Record<string, unknown>>;
  if (typeof id !== 'string' || !eventIdShape.test(id)) return null;
  return {
    eventId: id,
    deleted: changeType === 'deleted',
    etag: typeof etag === 'string' && eventIdShape.test(etag) ? etag : null,
  };
}

/** In the same time for every text of the right length, which is no secret. */
export function isSecret(given: string, secret: Buffer): boolean {
  if (given.length !== secret.length) return false;
  const bytes = Buffer.from(given);
  return bytes.length === secret.length && timingSafeEqual(bytes, secret);
}
