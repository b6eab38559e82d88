/**
 * The HTTP API. Each area is a file of routes that receives the functions it uses. The shared middleware is here, from the
 * outside in: log line, security headers, key, query parameters, body size, and the error handler.
 */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi';
import type { Hono } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import type { ApiKey } from '../config.ts';
import type { Tell } from '../facts.ts';
import type { Audit } from '../sync/manual/audit.ts';
import { logRequests, type RequestLog } from './access-log.ts';
import { activityRoutes, type ActivityParts } from './activity.ts';
import { alertRoutes, type AlertParts } from './alerts.ts';
import { auditRequests } from './audit.ts';
import { createAuth } from './auth.ts';
import { allowNoBody, exactNumbers, limitBody } from './body.ts';
import { answerKeys } from './named.ts';
import type { Keys } from '../sync/report/keys.ts';
import { bookingRoutes, type BookingParts } from './booking.ts';
import { cancelRoutes, type CancelParts } from './cancel.ts';
import { conflictRoutes, type ConflictParts } from './conflicts.ts';
import { dashboardRoutes } from './dashboard.ts';
import { detectionRoutes } from './detection.ts';
import { docsRoutes } from './docs.ts';
import { safeHeaders } from './headers.ts';
import { healthRoutes, type HealthParts } from './health.ts';
import { liveRoutes, type LiveParts } from './live.ts';
import { loginRoutes } from './login.ts';
import { mappingRoutes, type MappingParts } from './mappings.ts';
import { metricsRoutes, type MetricsParts } from './metrics.ts';
import { nearest } from './nearest.ts';
import { outlookRoutes, type OutlookParts } from './outlook.ts';
import { answerProblem, Problem } from './problem.ts';
import { planRoutes, type PlanParts } from './plan.ts';
import { pollingRoutes, type PollingParts } from './polling.ts';
import { resourceMappingRoutes, type ResourceMappingParts } from './resource-mapping.ts';
import { descriptionOf } from './description.ts';
import { knownQueries } from './query.ts';
import { roomCalendarRoutes, type RoomCalendarParts } from './room-calendar.ts';
import { roomRoutes, type RoomParts } from './rooms.ts';
import { scheduleRoutes, type ScheduleParts } from './schedules.ts';
import { searchRoutes, type SearchParts } from './search.ts';
import { sessionCookie } from './session.ts';
import { statsRoutes, type StatsParts } from './stats.ts';
import { subscriptionRoutes, type SubscriptionParts } from './subscriptions.ts';
import { syncRoutes, type SyncParts } from './sync.ts';
import { systemRoutes } from './system.ts';
import { undoRoutes, type UndoParts } from './undo.ts';
import { webhookRoutes, type WebhookParts } from './webhook.ts';

export interface Parts
  extends
    SyncParts,
    HealthParts,
    StatsParts,
    RoomParts,
    RoomCalendarParts,
    SearchParts,
    MappingParts,
    MetricsParts,
    ActivityParts,
    SubscriptionParts,
    WebhookParts,
    AlertParts,
    ScheduleParts,
    CancelParts,
    BookingParts,
    PollingParts,
    PlanParts,
    ConflictParts,
    UndoParts,
    ResourceMappingParts,
    OutlookParts,
    LiveParts {
  readonly reports: SyncParts['reports'] & StatsParts['reports'];
  readonly manual: SyncParts['manual'] & RoomParts['manual'];
  readonly alerts: AlertParts['alerts'] & RoomParts['alerts'];
  readonly start: PlanParts['start'] & UndoParts['start'];
  readonly notifications: WebhookParts['notifications'] & SubscriptionParts['notifications'];
  readonly bodiesMost?: number;
  readonly keys: readonly ApiKey[];
  readonly bookingKeys: Keys;
  readonly userHeader: string | null;
  readonly audit: Audit;
  readonly tell: Tell;
  readonly log: RequestLog;
}

export function createApp(parts: Parts) {
  const app = new OpenAPIHono({ strict: false });
  app.onError((error, c) => answerProblem(error, c, parts.tell));
  // Microsoft calls this without a key and up to thousands of times a second, so it comes before all other middleware
  app.route('/', webhookRoutes(parts));
  const { door, guard } = createAuth(parts);
  app.use(
    logRequests(parts.log),
    safeHeaders,
    guard,
    knownQueries(app),
    limitBody,
    allowNoBody,
    exactNumbers,
    answerKeys(parts.bookingKeys),
    auditRequests(parts.audit, parts.bookingKeys),
  );
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) =>
        c.json(
          {
            success: false,
            error: `${c.req.method} is not possible on ${c.req.path}.`,
            hint: `Use ${methods.filter((method) => method !== 'HEAD').join(' or ')}.`,
          },
          405,
          { Allow: methods.join(', ') },
        ),
    }),
  );
  const areas = [
    healthRoutes(parts),
    syncRoutes(parts),
    statsRoutes(parts),
    searchRoutes(parts),
    roomRoutes(parts),
    roomCalendarRoutes(parts),
    mappingRoutes(parts),
    metricsRoutes(parts),
    activityRoutes(parts),
    subscriptionRoutes(parts),
    alertRoutes(parts),
    scheduleRoutes(parts),
    systemRoutes(parts),
    liveRoutes(parts),
    dashboardRoutes(parts),
    detectionRoutes(parts),
    cancelRoutes(parts),
    bookingRoutes(parts),
    pollingRoutes(parts),
    planRoutes(parts),
    conflictRoutes(parts),
    undoRoutes(parts),
    resourceMappingRoutes(parts),
    outlookRoutes(parts),
    loginRoutes(door),
    docsRoutes(),
  ];
  for (const area of areas) app.route('/', area);
  describe(app);
  app.notFound((c) => answerProblem(unknownPath(app, c.req.method, c.req.path), c, parts.tell));
  return app;
}

const documentRoute = createRoute({
  method: 'get',
  path: '/openapi.json',
  tags: ['Description'],
  summary: 'This description',
  responses: {
    200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: z.looseObject({}) } } },
  },
});

function describe(app: OpenAPIHono): void {
  const { openAPIRegistry: registry } = app;
  registry.registerComponent('securitySchemes', 'key', { type: 'apiKey', in: 'header', name: 'X-API-Key' });
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  registry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: sessionCookie,
    description: 'Set by a login on /login.',
  });
  let document: object | null = null;
  app.openapi(documentRoute, (c) => {
    document ??= descriptionOf(app);
    return c.json(document, 200);
  });
}

function unknownPath(app: Pick<Hono, 'routes'>, method: string, path: string): Problem {
  const given = path.split('/');
  // a parameter matches any segment
  const filled = (template: string) =>
    template
      .split('/')
      .map((part, at) => (part.startsWith(':') ? (given[at] ?? part) : part))
      .join('/');
  const known = new Map(
    app.routes
      .filter((route) => route.method !== 'ALL')
      .map((route) => [`${route.method} ${filled(route.path)}`, `${route.method} ${route.path}`]),
  );
  const meant = known.get(nearest(`${method} ${path}`, [...known.keys()]) ?? '');
  return new Problem(
    404,
    `There is no ${path.slice(0, 200)}.`,
    meant === undefined
      ? 'All endpoints are in /openapi.json; /docs shows them.'
      : `The nearest endpoint is ${meant.replaceAll(/:(\w+)/g, '{$1}')}; all are in /openapi.json.`,
  );
}
