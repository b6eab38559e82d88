/** Manual polling. The daemon polls automatically, or gets notifications by webhook. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Polled, Polling } from '../sync/manual/polling.ts';
import { answers, instantOrNull, newRoutes, resourceId } from './schema.ts';

export interface PollingParts {
  readonly polling: Polling;
  readonly pollSeconds: number;
  readonly webhooks: boolean;
  readonly stopping: AbortSignal;
}

const tags = ['Polling'];
const query = z.object({ resource_id: resourceId.optional() });

const trouble = z.object({
  calendar_id: z.string(),
  resource_id: z.number().int(),
  error: z.string(),
  hint: z.string().nullable(),
});

const detail = z.object({
  calendar_id: z.string(),
  resource_id: z.number().int(),
  changes_detected: z.number().int().openapi({
    description: 'Imported, updated and deleted, and new events that wait.',
  }),
  deletions_processed: z.number().int(),
  imported: z.number().int(),
  updated: z.number().int(),
  waiting: z.number().int().openapi({
    description:
      'Reported by Outlook and not processed: an import that waits for a request (IMPORT_MODE=manual) or for the room’s answer, a conflict, held by the brake, or not finished in time.',
  }),
});

const pollRoute = createRoute({
  method: 'post',
  path: '/polling/poll-changes',
  tags,
  summary: 'Poll every calendar for changes now and process them',
  request: { query },
  responses: answers(
    'The result.',
    z.object({
      success: z.literal(true),
      message: z.string(),
      calendars_checked: z.number().int(),
      changes_detected: z.number().int(),
      deletions_processed: z.number().int(),
      details: z.array(detail),
      errors: z.array(trouble),
    }),
  ),
});

const missingRoute = createRoute({
  method: 'post',
  path: '/polling/detect-missing-events',
  tags,
  summary: 'Check every calendar for missing events',
  request: { query },
  responses: answers(
    'Each missing event was read by its id before anything was cancelled.',
    z.object({
      success: z.literal(true),
      message: z.string(),
      calendars_checked: z.number().int(),
      events_checked: z.number().int(),
      missing_events: z.number().int(),
      deletions_processed: z.number().int(),
      details: z.array(detail),
      errors: z.array(trouble),
    }),
  ),
});

const initializeRoute = createRoute({
  method: 'post',
  path: '/polling/initialize',
  tags,
  summary: 'Start delta rounds in calendars that have none yet',
  request: { query },
  responses: answers(
    'The polling state of each calendar.',
    z.object({
      success: z.literal(true),
      message: z.string(),
      calendars_initialized: z.number().int(),
      calendars_updated: z.number().int(),
      details: z.array(
        z.object({
          calendar_id: z.string(),
          resource_id: z.number().int(),
          delta_token: z.enum(['present', 'missing']),
          status: z.enum(['initialized', 'updated', 'pending', 'error']),
        }),
      ),
      errors: z.array(trouble),
    }),
  ),
});

const statsRoute = createRoute({
  method: 'get',
  path: '/polling/stats',
  tags,
  summary: 'Polling statistics',
  responses: answers(
    'The statistics.',
    z.object({
      success: z.literal(true),
      statistics: z.object({
        total_calendars: z.number().int(),
        polled_calendars: z.number().int(),
        calendars_with_token: z.number().int(),
        poll_interval_seconds: z.number(),
        webhooks: z.boolean(),
        last_poll_at: instantOrNull,
        health: z.enum(['healthy', 'degraded']),
        recently_polled: z.array(
          z.object({
            calendar_id: z.string(),
            resource_id: z.number().int(),
            room: z.string(),
            last_poll_at: instantOrNull,
            next_poll_at: instantOrNull,
            health: z.string(),
            error: z.string().nullable(),
          }),
        ),
      }),
    }),
  ),
});

const recentMost = 100;

export function pollingRoutes({ polling, pollSeconds, webhooks, stopping }: PollingParts) {
  const waiting = (request: Request) => AbortSignal.any([request.signal, stopping]);
  return newRoutes()
    .openapi(pollRoute, async (c) => {
      const polled = await polling.poll(
        'changes',
        c.req.valid('query').resource_id ?? null,
        waiting(c.req.raw),
      );
      const late = polled.filter((one) => !one.done).length;
      const message =
        late === 0
          ? 'Outlook polling completed successfully'
          : `${late} of ${polled.length} calendars are still pending`;
      return c.json({ success: true as const, message, ...totals(polled) }, 200);
    })
    .openapi(missingRoute, async (c) => {
      const polled = await polling.poll(
        'compare',
        c.req.valid('query').resource_id ?? null,
        waiting(c.req.raw),
      );
      const late = polled.filter((one) => !one.done).length;
      const { changes_detected: _, ...rest } = totals(polled);
      return c.json(
        {
          success: true as const,
          message:
            late === 0
              ? 'Missing-event check completed'
              : `${late} of ${polled.length} calendars are still pending`,
          ...rest,
          events_checked: sum(polled, (one) => one.known + one.cancelled),
          missing_events: sum(polled, (one) => one.cancelled + one.open),
        },
        200,
      );
    })
    .openapi(initializeRoute, async (c) => {
      const before = new Map((await polling.state()).map((one) => [one.resource_id, one.has_cursor]));
      const polled = await polling.poll(
        'changes',
        c.req.valid('query').resource_id ?? null,
        waiting(c.req.raw),
      );
      const details = polled.map((one) => ({
        calendar_id: one.calendar_id,
        resource_id: one.resource_id,
        delta_token: one.has_cursor ? ('present' as const) : ('missing' as const),
        status:
          one.error !== null
            ? ('error' as const)
            : !one.done
              ? ('pending' as const)
              : before.get(one.resource_id) === true
                ? ('updated' as const)
                : ('initialized' as const),
      }));
      const count = (status: string) => details.filter((one) => one.status === status).length;
      return c.json(
        {
          success: true as const,
          message: 'Polling initialized',
          calendars_initialized: count('initialized'),
          calendars_updated: count('updated'),
          details,
          errors: troubles(polled),
        },
        200,
      );
    })
    .openapi(statsRoute, async (c) => {
      const state = await polling.state();
      const polled = state.filter((one) => one.last_poll_at !== null);
      const statistics = {
        total_calendars: state.length,
        polled_calendars: polled.length,
        calendars_with_token: state.filter((one) => one.has_cursor).length,
        poll_interval_seconds: pollSeconds,
        webhooks,
        last_poll_at: polled[0]?.last_poll_at ?? null,
        health:
          polled.length === state.length && state.every((one) => one.health === 'ok')
            ? ('healthy' as const)
            : ('degraded' as const),
        recently_polled: state.slice(0, recentMost).map(({ has_cursor: _, ...one }) => one),
      };
      return c.json({ success: true as const, statistics }, 200);
    });
}

const sum = (polled: readonly Polled[], of: (one: Polled) => number) =>
  polled.reduce((total, one) => total + of(one), 0);

const changesOf = (one: Polled) => one.imported + one.changed + one.cancelled + one.found;

function totals(polled: readonly Polled[]) {
  return {
    calendars_checked: polled.filter((one) => one.done).length,
    changes_detected: sum(polled, changesOf),
    deletions_processed: sum(polled, (one) => one.cancelled),
    details: polled.map((one) => ({
      calendar_id: one.calendar_id,
      resource_id: one.resource_id,
      changes_detected: changesOf(one),
      deletions_processed: one.cancelled,
      imported: one.imported,
      updated: one.changed,
      waiting: one.waiting,
    })),
    errors: troubles(polled),
  };
}

const troubles = (polled: readonly Polled[]) =>
  polled.flatMap(({ calendar_id, resource_id, error, hint }) =>
    error === null ? [] : [{ calendar_id, resource_id, error, hint }],
  );
