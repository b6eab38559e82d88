/** Rooms and room lists of the tenant's directory. */
import { createRoute, z } from '@hono/zod-openapi';
import { Retryable } from '../errors.ts';
import type { createRoomList } from '../sync/manual/room-list.ts';
import { Problem } from './problem.ts';
import { answers, newRoutes } from './schema.ts';

interface Place {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly capacity: number | null;
  readonly building: string | null;
  readonly floor: string | null;
}

/** Structurally compatible with `outlook/directory.ts`. If the directory refuses, places are empty and there is a hint. */
export interface Directory {
  rooms(signal: AbortSignal): Promise<Places>;
  roomLists(signal: AbortSignal): Promise<Places>;
}
interface Places {
  readonly places: readonly Place[];
  readonly hint: string | null;
}

export interface OutlookParts {
  readonly directory: Directory;
  readonly roomList: ReturnType<typeof createRoomList>;
  /** Aborts when the daemon stops, so that no request is kept waiting. */
  readonly stopping: AbortSignal;
}

const tags = ['Outlook'];
const success = z.literal(true);

const place = {
  id: z.string(),
  name: z.string(),
  email: z.string(),
  capacity: z.number().int().nullable(),
  building: z.string().nullable(),
  floor: z.string().nullable(),
};
const hint = z
  .string()
  .nullable()
  .openapi({ description: 'The missing permission if the directory refuses.' });

const roomsRoute = createRoute({
  method: 'get',
  path: '/outlook/available-rooms',
  tags,
  summary: 'Room mailboxes of the tenant',
  responses: answers(
    'Rooms by name, with their mapped resources.',
    z.object({
      success,
      count: z.number().int(),
      rooms: z.array(
        z.object({ ...place, resource_id: z.number().int().nullable() }).openapi('AvailableRoom', {
          description: '`resource_id`: the mapped resource; null: none.',
        }),
      ),
      hint,
    }),
  ),
});

const groupsRoute = createRoute({
  method: 'get',
  path: '/outlook/available-groups',
  tags,
  summary: 'Room lists of the tenant',
  responses: answers(
    'Room lists by name.',
    z.object({
      success,
      count: z.number().int(),
      groups: z.array(z.object(place).openapi('AvailableGroup')),
      hint,
    }),
  ),
});

/** Bound of a request for a list, including the retries inside. */
const waitMs = 20_000;

export function outlookRoutes({ directory, roomList, stopping }: OutlookParts) {
  const waiting = (request: Request) =>
    AbortSignal.any([request.signal, stopping, AbortSignal.timeout(waitMs)]);
  return newRoutes()
    .openapi(roomsRoute, async (c) => {
      const [found, mapped] = await Promise.all([
        asked(directory.rooms(waiting(c.req.raw))),
        roomList.list(null),
      ]);
      const resources = new Map(
        mapped
          .filter((row) => row.active === 1)
          .map((row) => [row.outlook_item_id.toLowerCase(), row.resource_id]),
      );
      const rooms = found.places.map((one) => ({
        ...one,
        resource_id: resources.get(one.email.toLowerCase()) ?? resources.get(one.id.toLowerCase()) ?? null,
      }));
      return c.json(
        { success: true as const, count: rooms.length, rooms: byName(rooms), hint: found.hint },
        200,
      );
    })
    .openapi(groupsRoute, async (c) => {
      const { places, hint: why } = await asked(directory.roomLists(waiting(c.req.raw)));
      return c.json(
        { success: true as const, count: places.length, groups: byName([...places]), hint: why },
        200,
      );
    });
}

const byName = <T extends { readonly name: string }>(places: readonly T[]) =>
  places.toSorted((a, b) => a.name.localeCompare(b.name));

/** Prevents a Graph outage from being reported as a database outage, the meaning of Retryable here. */
async function asked(places: Promise<Places>): Promise<Places> {
  try {
    return await places;
  } catch (error) {
    const isTimeout = error instanceof DOMException && error.name === 'TimeoutError';
    if (!isTimeout && !(error instanceof Retryable)) throw error;
    const seconds = error instanceof Retryable ? Math.ceil((error.afterMs ?? 5_000) / 1_000) : 5;
    throw new Problem(
      503,
      'Outlook does not answer.',
      (error instanceof Retryable ? error.hint : undefined) ?? 'GET /stats shows whether it is an outage.',
      { headers: { 'Retry-After': String(Math.max(1, seconds)) } },
    );
  }
}
