/** Sync from the booking system to Outlook: pending items, immediate sync, statistics. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Id } from '../id.ts';
import type { ItemAnswer, Manual } from '../sync/manual/manual.ts';
import type { createReports } from '../sync/report/reports.ts';
import { noRoom, Problem } from './problem.ts';
import { workColumns } from './mapping-schema.ts';
import {
  answers,
  knownType,
  limit,
  newRoutes,
  reservationId,
  reservationType,
  resourceId,
  type TypeParts,
} from './schema.ts';
import { statisticsSchema } from './statistics.ts';
import { detailSchema, resultsSchema, settledAs, settledItem, summarise, untouched } from './synced.ts';

export interface SyncParts extends TypeParts {
  readonly manual: Pick<Manual, 'syncPending' | 'syncItem' | 'populate' | 'cleanUp'>;
  readonly reports: Pick<ReturnType<typeof createReports>, 'pending' | 'statistics'>;
  /** Aborts when the daemon stops, so that no request is kept waiting. */
  readonly stopping: AbortSignal;
}

const tags = ['Sync'];

const pendingItem = z.object({ id: z.number().int(), ...workColumns }).openapi('PendingItem');

const statisticsAnswer = z.object({ success: z.literal(true), statistics: statisticsSchema });

const pendingRoute = createRoute({
  method: 'get',
  path: '/sync/pending-items',
  tags,
  summary: 'Pending and failed items',
  request: { query: z.object({ limit: limit(50), resource_id: resourceId.optional() }) },
  responses: answers(
    'Pending items and items in error, most important first.',
    z.object({
      success: z.literal(true),
      count: z.number().int().openapi({ description: 'The number of listed items.' }),
      total: z.number().int().openapi({ description: 'The total number.' }),
      items: z.array(pendingItem),
    }),
  ),
});

const toOutlookRoute = createRoute({
  method: 'post',
  path: '/sync/to-outlook',
  tags,
  summary: 'Sync pending items to Outlook now',
  request: { query: z.object({ limit: limit(50), resource_id: resourceId.optional() }) },
  responses: answers(
    'The result for each item, by any daemon.',
    z.object({ success: z.literal(true), message: z.string(), results: resultsSchema }),
  ),
});

const itemRoute = createRoute({
  method: 'post',
  path: '/sync/item/{type}/{id}/{resource}',
  tags,
  summary: 'Sync one reservation in one room now',
  request: { params: z.object({ type: reservationType, id: reservationId, resource: resourceId }) },
  responses: answers(
    'The result.',
    z.object({ success: z.literal(true), message: z.string(), result: detailSchema }),
    [404, 409, 422],
  ),
});

const populateRoute = createRoute({
  method: 'post',
  path: '/sync/populate-mapping',
  tags,
  summary: 'Compare both sides of one room or all again and sync the differences',
  request: { query: z.object({ resource_id: resourceId.optional() }) },
  responses: answers(
    'The current number of mappings.',
    z.object({
      success: z.literal(true),
      message: z.string(),
      results: z.object({
        rooms: z.number().int(),
        reconciled: z.number().int(),
        created: z.number().int(),
        total: z.number().int(),
        pending: z.number().int(),
      }),
    }),
    [404],
  ),
});

const statsRoute = createRoute({
  method: 'get',
  path: '/sync/stats',
  tags,
  summary: 'Mappings by status, type and direction',
  responses: answers('The statistics.', statisticsAnswer),
});

const statusRoute = createRoute({
  method: 'get',
  path: '/sync/status',
  tags,
  summary: 'An alias of /sync/stats',
  responses: answers('The statistics.', statisticsAnswer),
});

const cleanUpRoute = createRoute({
  method: 'delete',
  path: '/sync/cleanup-orphaned',
  tags,
  summary: 'Delete mappings that have neither a reservation nor an event',
  responses: answers(
    'The number of deleted mappings.',
    z.object({ success: z.literal(true), message: z.string(), count: z.number().int() }),
  ),
});

export function syncRoutes(parts: SyncParts) {
  const { manual, reports, stopping } = parts;
  const waiting = (request: Request) => AbortSignal.any([request.signal, stopping]);
  return newRoutes()
    .openapi(pendingRoute, async (c) => {
      const query = c.req.valid('query');
      const { total, items } = await reports.pending(query.limit, query.resource_id ?? null);
      return c.json({ success: true as const, count: items.length, total, items }, 200);
    })
    .openapi(toOutlookRoute, async (c) => {
      const query = c.req.valid('query');
      const choice = { limit: query.limit, resourceId: query.resource_id ?? null };
      const summary = summarise(await manual.syncPending(choice, waiting(c.req.raw)));
      const message = summary.pending === 0 ? 'Sync completed' : `Sync under way, ${summary.pending} pending`;
      return c.json({ success: true as const, message, results: summary }, 200);
    })
    .openapi(itemRoute, async (c) => {
      const { type, id, resource } = c.req.valid('param');
      await knownType(parts, type);
      const answer = await manual.syncItem(type, id, resource, waiting(c.req.raw));
      return c.json(itemAnswer(answer, type, id, resource), 200);
    })
    .openapi(populateRoute, async (c) => {
      const { resource_id: resource = null } = c.req.valid('query');
      const counted = await manual.populate(resource, waiting(c.req.raw));
      if (counted === null) throw noRoom(resource!);
      const missing = counted.rooms - counted.reconciled;
      const message =
        missing === 0 ? 'Mappings populated' : `${missing} of ${counted.rooms} rooms are still pending`;
      return c.json({ success: true as const, message, results: counted }, 200);
    })
    .openapi(statsRoute, async (c) =>
      c.json({ success: true as const, statistics: await reports.statistics() }, 200),
    )
    .openapi(statusRoute, async (c) =>
      c.json({ success: true as const, statistics: await reports.statistics() }, 200),
    )
    .openapi(cleanUpRoute, async (c) => {
      const count = await manual.cleanUp();
      return c.json({ success: true as const, message: `Removed ${count} orphaned mappings`, count }, 200);
    });
}

function itemAnswer(answer: ItemAnswer, type: string, id: Id, resource: number) {
  const item = `${type} ${id}`;
  switch (answer.found) {
    case 'no-room':
      throw noRoom(resource);
    case 'no-reservation':
      throw answer.resources.length === 0
        ? new Problem(
            404,
            `Calendar item not found: there is no ${item} in the booking system.`,
            'Check type and id. If it was deleted, DELETE /sync/cleanup-orphaned removes what is left of it.',
          )
        : new Problem(
            404,
            `${item} is not in resource ${resource}.`,
            `It is in ${answer.resources.join(', ')}.`,
          );
    case 'outside-window':
      throw new Problem(
        422,
        `${item} is outside of the sync window.`,
        'SYNC_PAST_DAYS and SYNC_FUTURE_DAYS set the window; it is synced when the window reaches it.',
      );
    case 'other-direction':
      throw new Problem(
        422,
        `Resource ${resource} takes no changes from the booking system.`,
        'Its sync_direction in bridge_resource_mappings is outlook_to_booking.',
      );
    case 'nothing-to-show':
      return settledAs(untouched(type, id, resource), `${item} is cancelled and has no event; nothing to do`);
    case 'item':
      return settledItem(answer.outcome, item, 'Item synced successfully');
  }
}
